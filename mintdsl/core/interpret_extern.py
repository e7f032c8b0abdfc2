"""The stand-in for an extern net: the user's module is not part of the program, and what is proved holds for any.

Every result is write tanh(read x) put through tanh again: each of its numbers reads all numbers of all inputs, which
lie one after the other in x. `runtime/stand_in.py` is the same as a module.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, tanh

from mintdsl.core import ir
from mintdsl.core.dual import Dual, chain, combine
from mintdsl.core.interpret_env import Env
from mintdsl.core.interpret_weights import Weights

HIDDEN = 4  # rows of `read`


def stand_in_tensors(net: ir.Net, env: Env) -> dict[str, tuple[int, ...]]:
    """The tensors of the stand-in by key, the module's own name in front; `env` binds the sizes of the net."""
    inputs = sum(prod(env.shape(shape)) for _, shape in net.inputs)
    outputs = sum(prod(env.shape(shape)) for shape in net.targets)
    return {"module.read": (HIDDEN, inputs), "module.write": (outputs, HIDDEN)}


def stand_in(weights: Weights, inputs: Sequence[list[Dual]]) -> list[list[Dual]]:
    """The results, each flat in its shape, of inputs that are flat in theirs."""
    net, env = weights.layer, weights.env
    assert isinstance(net, ir.Net)
    x = [value for one in inputs for value in one]
    for name, shape in stand_in_tensors(net, env).items():
        rows = weights.rows(name, shape)
        x = [_tanh(combine(zip(row, x, strict=True))) for row in rows]
    results = []
    for target in net.targets:
        size = prod(env.shape(target))
        results.append(x[:size])
        x = x[size:]
    return results


def _tanh(a: Dual) -> Dual:
    value = tanh(a.value)
    return chain(a, value, 1.0 - value * value)
