"""The reference interpreter: the typed core evaluated literally, with dense Jacobians, in plain Python floats.

It says what a program means. Generated modules, counter-examples and tests are compared with it, so it shares no
code with the generator and reads like the definitions, at the price of being fit for tiny sizes only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import NamedTuple, assert_never

from mintdsl.core import ir
from mintdsl.core.dual import Determinant, Dual, chain, combine, constant, determinant, variables
from mintdsl.core.interpret_layer import Tensor, Watch, apply_layer, apply_weights
from mintdsl.core.interpret_weights import (
    Argument,
    Env,
    Raw,
    Weights,
    bind,
    channel_of,
    effective,
    evaluate_size,
    order_shape,
    param_shape,
    sign_shape,
)

__all__ = [
    "Argument",
    "Determinant",
    "FlowResult",
    "Raw",
    "Result",
    "Traced",
    "determinant",
    "effective",
    "evaluate_flow",
    "evaluate_layer",
    "evaluate_size",
    "layers",
    "param_shape",
    "parameters",
]


class Result(NamedTuple):
    """A layer's value (flat), Jacobian (row: output, column: input) and the diagonal of the Jacobian."""

    value: list[float]
    jacobian: list[list[float]]
    diagonal: list[float]


class Traced(NamedTuple):
    """What left the step at `path` (its prefix in the state dict, without the last dot), flat."""

    path: str
    value: list[float]


class FlowResult(NamedTuple):
    """A flow's value (flat), Jacobian, log |det| of that whole Jacobian (-inf if singular), and every step's result."""

    value: list[float]
    jacobian: list[list[float]]
    log_det: float
    trace: list[Traced]


# ---------------------------------------------------------------- what is evaluated


def evaluate_layer(
    program: ir.Program,
    key: str,
    x: Sequence[float],
    shape: Sequence[int],
    args: Mapping[str, Argument],
    raw: Raw,
    prefix: str = "",
) -> Result:
    """The layer `key` at `x`, flat in `shape`; `args` are its formals' values, keys of `raw` start with `prefix`.

    ValueError where the layer has no value there: wrong sizes, missing tensors or arguments, a function outside its
    domain, a division by 0.
    """
    match _find(program, key):
        case ir.Layer() as layer:
            return _result(apply_layer(layer, bind(layer, shape, args), _input(x, shape), raw, prefix), len(x))
        case ir.Flow():
            raise ValueError(f"`{key}` is a flow; evaluate_layer takes a layer")
        case other:
            assert_never(other)


def evaluate_flow(
    program: ir.Program,
    key: str,
    x: Sequence[float],
    shape: Sequence[int],
    args: Mapping[str, Argument],
    raw: Raw,
    watch: Watch | None = None,
) -> FlowResult:
    """The bijection of the flow `key` at `x`, flat in `shape`: its steps without `dequantize` and `prior`.

    A layer is taken as a flow of one step with the empty path. ValueError as for `evaluate_layer`.
    """
    definition = _find(program, key)
    walk = _Walk(program, raw, _input(x, shape), tuple(shape), watch)
    walk.definition(definition, bind(definition, shape, args), "")
    result = _result(walk.value, len(x))
    # `pad` raises the dimension: there is no determinant then
    log_det = determinant(result.jacobian).log_abs if len(result.value) == len(x) else math.nan
    return FlowResult(result.value, result.jacobian, log_det, walk.trace)


def parameters(
    program: ir.Program, key: str, shape: Sequence[int], args: Mapping[str, Argument]
) -> dict[str, tuple[int, ...]]:
    """Shapes of all raw tensors of a layer or flow by state-dict key.

    Of each layer its parameters, then its sign buffers. Layers come in the order of their steps in the text, copies of
    one step after another. ValueError for wrong sizes.
    """
    definition = _find(program, key)
    found: dict[str, tuple[int, ...]] = {}
    for prefix, layer, env in layers(program, definition, bind(definition, shape, args), ""):
        for param in layer.params:
            shape_ = param_shape(layer, param, env.dims, env.sizes)
            if isinstance(param.kind, ir.Perm):
                continue
            if isinstance(param.kind, ir.Normalize):
                found |= {f"{prefix}{param.name}_mean": shape_, f"{prefix}{param.name}_var": shape_}
            else:
                found[prefix + param.name] = shape_
        for param in layer.params:
            signs = sign_shape(layer, param, env.dims, env.sizes)
            if signs is not None:
                found[f"{prefix}{param.name}_sign"] = signs
            order = order_shape(layer, param, env.dims, env.sizes)
            if order is not None:
                found[f"{prefix}{param.name}_order"] = order
    return found


def _find(program: ir.Program, key: str) -> ir.Definition:
    if key not in program.definitions:
        raise ValueError(f"the program has no definition `{key}`; it has {', '.join(program.definitions) or 'none'}")
    return program.definitions[key]


def _input(x: Sequence[float], shape: Sequence[int]) -> Tensor:
    if len(x) != prod(shape):
        raise ValueError(f"the input has {len(x)} numbers, its shape {list(shape)} takes {prod(shape)}")
    return variables(x)


def _result(outputs: Tensor, inputs: int) -> Result:
    jacobian = [dual.row(inputs) for dual in outputs]
    return Result([dual.value for dual in outputs], jacobian, [row[p] for p, row in enumerate(jacobian[:inputs])])


# ---------------------------------------------------------------- flows


@dataclass(slots=True)
class _Walk:
    """The state of an evaluation of a flow: the numbers so far, on sizes `dims`."""

    program: ir.Program
    raw: Raw
    value: Tensor
    dims: tuple[int, ...]
    watch: Watch | None = None
    trace: list[Traced] = field(default_factory=list)

    def definition(self, definition: ir.Definition, env: Env, prefix: str) -> None:
        """Go through a layer or flow whose parameters' keys start with `prefix`."""
        if isinstance(definition, ir.Flow):
            self.steps(definition.steps, env, prefix, ())
            return
        self.value = apply_weights(Weights(definition, env, self.raw, prefix), self.value, self.watch)
        self._leave(prefix.removesuffix("."))

    def steps(self, steps: Sequence[ir.Step], env: Env, prefix: str, copies: tuple[int, ...]) -> None:
        """Go through `steps`; `copies` are the copy numbers of the repeats around them, the outermost first."""
        for step in steps:
            path = _path(prefix, step, copies)
            match step.op:
                case ir.Use() as use:
                    callee = self.program.definitions[use.definition]
                    self.definition(callee, bind(callee, self.dims, dict(use.args), env), path + ".")
                case ir.Repeat(count=count, steps=inner):
                    for copy in range(evaluate_size(count, env.sizes)):
                        self.steps(inner, env, prefix, (*copies, copy))
                case ir.Pair(steps=inner):
                    self.steps(inner, env, prefix, copies)
                case ir.Squeeze() as squeeze:
                    self.dims, sources = _squeeze(squeeze, self.dims)
                    self.value = [self.value[k] for k in sources]
                    self._leave(path)
                case ir.Logit(alpha=alpha):
                    self.value = [_logit(a, alpha) for a in self.value]
                    self._leave(path)
                case ir.Standardize(mean=mean, std=std):
                    channels = [channel_of(p, self.dims) for p in range(len(self.value))]
                    self.value = [
                        combine(((1 / std[c % len(std)], a), (-1 / std[c % len(std)], constant(mean[c % len(mean)]))))
                        for c, a in zip(channels, self.value, strict=True)
                    ]
                    self._leave(path)
                case ir.Pad(extra=extra):
                    self.dims = (self.dims[0] + extra, *self.dims[1:])
                    self.value = self.value + [constant(0.0)] * (math.prod(self.dims) - len(self.value))
                    self._leave(path)
                case ir.Dequantize() | ir.Prior() | ir.Classify():
                    pass  # outside the bijection
                case other:
                    assert_never(other)

    def _leave(self, path: str) -> None:
        self.trace.append(Traced(path, [dual.value for dual in self.value]))


def _path(prefix: str, step: ir.Step, copies: tuple[int, ...]) -> str:
    return prefix + ".".join([step.name, *map(str, copies)])


def _logit(a: Dual, alpha: float) -> Dual:
    s = alpha + (1 - 2 * alpha) * a.value
    if not 0 < s < 1:
        raise ValueError(f"`logit({alpha:g})` is not defined at {a.value!r}")
    return chain(a, math.log(s) - math.log(1 - s), (1 - 2 * alpha) / (s * (1 - s)))


def _squeeze(op: ir.Squeeze, dims: tuple[int, ...]) -> tuple[tuple[int, ...], list[int]]:
    """The sizes after a squeeze or its inverse, and for each flat place the place that its number comes from."""
    f = op.factor
    divisors = (f * f, 1, 1) if op.undo else (1, f, f)
    if len(dims) != 3 or any(size % by for size, by in zip(dims, divisors, strict=True)):
        raise ValueError(f"{'unsqueeze' if op.undo else 'squeeze'} {f} does not divide the sizes {list(dims)}")
    c, h, w = dims
    channels, height, width = (c // (f * f), h * f, w * f) if op.undo else dims  # of the side with fewer channels
    squeezed = (channels * f * f, height // f, width // f)
    sources = [0] * prod(dims)
    for k, dy, dx, i, j in product(range(channels), range(f), range(f), range(squeezed[1]), range(squeezed[2])):
        match op.layout:
            case "colour_fast":
                channel = (dy * f + dx) * channels + k
            case "colour_slow":
                channel = k * f * f + dy * f + dx
            case _:
                raise ValueError(f"the layout `{op.layout}` has no meaning in this version")
        wide = (k * height + f * i + dy) * width + f * j + dx
        deep = (channel * squeezed[1] + i) * squeezed[2] + j
        if op.undo:
            sources[wide] = deep
        else:
            sources[deep] = wide
    return ((channels, height, width) if op.undo else squeezed), sources


def layers(program: ir.Program, definition: ir.Definition, env: Env, prefix: str) -> list[tuple[str, ir.Layer, Env]]:
    """Every layer below a definition with the prefix of its keys, by steps in the text, then by copies."""
    if isinstance(definition, ir.Layer):
        return [(prefix, definition, env)]
    return _uses(program, definition.steps, env, prefix, [()], env.dims)[0]


def _uses(
    program: ir.Program,
    steps: Sequence[ir.Step],
    env: Env,
    prefix: str,
    copies: Sequence[tuple[int, ...]],
    dims: tuple[int, ...],
) -> tuple[list[tuple[str, ir.Layer, Env]], tuple[int, ...]]:
    """The layers of `steps`, entered with sizes `dims` in each of `copies`; and the sizes that leave."""
    found: list[tuple[str, ir.Layer, Env]] = []
    for step in steps:
        match step.op:
            case ir.Use() as use:
                callee = program.definitions[use.definition]
                inner = bind(callee, dims, dict(use.args), env)
                for copy in copies:
                    found += layers(program, callee, inner, _path(prefix, step, copy) + ".")
                if isinstance(callee, ir.Flow):
                    dims = _uses(program, callee.steps, inner, prefix, [], dims)[1]
            case ir.Repeat(count=count, steps=block):
                numbers = [(*copy, k) for copy in copies for k in range(evaluate_size(count, env.sizes))]
                found += _uses(program, block, env, prefix, numbers, dims)[0]  # a repeated block keeps the sizes
            case ir.Pair(steps=block):
                more, dims = _uses(program, block, env, prefix, copies, dims)
                found += more
            case ir.Squeeze() as squeeze:
                dims, _ = _squeeze(squeeze, dims)
            case ir.Pad(extra=extra):
                dims = (dims[0] + extra, *dims[1:])
            case ir.Logit() | ir.Standardize() | ir.Dequantize() | ir.Prior() | ir.Classify():
                pass
            case other:
                assert_never(other)
    return found, dims
