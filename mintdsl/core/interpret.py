"""The reference interpreter: the typed core evaluated literally, with dense Jacobians, in plain Python floats.

It says what a program means. Generated modules, counter-examples and tests are compared with it, so it shares no
code with the generator and reads like the definitions, at the price of being fit for tiny sizes only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import NamedTuple, assert_never

from mintdsl.core import ir
from mintdsl.core.dual import Determinant, Dual, chain, combine, constant, determinant, multiply, variables
from mintdsl.core.interpret_env import Argument, BoundAct, Env, Given, bind, bind_net, evaluate_size
from mintdsl.core.interpret_inverse import undo
from mintdsl.core.interpret_layer import Tensor, Watch, activate, apply_layer, apply_net, apply_weights
from mintdsl.core.interpret_moves import halves, leaves, sources
from mintdsl.core.interpret_ode import integrated
from mintdsl.core.interpret_parameters import FIELD, estimates, fields, find, layers, parameters, path_of, prior_place
from mintdsl.core.interpret_weights import Raw, Weights, channel_of, channels_of, effective, param_shape, stored

__all__ = [
    "Argument",
    "Determinant",
    "FlowResult",
    "Given",
    "Raw",
    "Result",
    "Traced",
    "determinant",
    "effective",
    "estimates",
    "evaluate_flow",
    "evaluate_layer",
    "evaluate_size",
    "fields",
    "layers",
    "log_prior",
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
    given: Given | None = None,
) -> Result:
    """The layer `key` at `x`, flat in `shape`; `args` are its formals' values, keys of `raw` start with `prefix`.

    ValueError where the layer has no value there: wrong sizes, missing tensors or arguments, a function outside its
    domain, a division by 0.
    """
    match find(program, key):
        case ir.Layer() as layer:
            env = bind(layer, shape, args, given=given)
            return _result(apply_layer(layer, env, _input(x, shape), raw, prefix), len(x))
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
    given: Given | None = None,
) -> FlowResult:
    """The bijection of the flow `key` at `x`, flat in `shape`: its steps without `dequantize` and `prior`.

    A layer is taken as a flow of one step with the empty path. ValueError as for `evaluate_layer`.
    """
    definition = find(program, key)
    walk = _Walk(program, raw, _input(x, shape), tuple(shape), watch)
    walk.definition(definition, bind(definition, shape, args, given=given), "")
    result = _result([*walk.left, *walk.value], len(x))
    # `pad` raises the dimension: there is no determinant then
    log_det = determinant(result.jacobian).log_abs if len(result.value) == len(x) else math.nan
    return FlowResult(result.value, result.jacobian, log_det, walk.trace)


def log_prior(
    program: ir.Program,
    key: str,
    z: Sequence[float],
    shape: Sequence[int],
    args: Mapping[str, Argument],
    raw: Raw,
    given: Given | None = None,
) -> float:
    """The log-density of the latent of the flow `key` at `z`, flat; `shape` and `args` are those of `evaluate_flow`.

    ValueError for a definition without a prior, and for missing tensors.
    """
    definition = find(program, key)
    place = prior_place(program, definition, bind(definition, shape, args, given=given))
    if place is None:
        raise ValueError(f"`{key}` has no prior")
    total, start = 0.0, 0
    rest: list[float] = []
    for sizes, own in place.parts:
        part, start = z[start : start + prod(sizes)], start + prod(sizes)
        if own:
            rest += part
        else:
            total += sum(_log_normal(v, 0.0, 0.0) for v in part)
    if place.prior.name == "logistic":
        return total + sum(-abs(v) - 2 * math.log1p(math.exp(-abs(v))) for v in rest)
    if not place.prior.per:
        return total + sum(_log_normal(v, 0.0, 0.0) for v in rest)
    location, log_scale = (list(stored(raw, f"{place.prefix}{n}", place.own)) for n in ("location", "log_scale"))
    return total + sum(_log_normal(v, location[k], log_scale[k]) for v, k in zip(rest, place.numbers, strict=True))


def _log_normal(v: float, location: float, log_scale: float) -> float:
    scaled = (v - location) / math.exp(log_scale)
    return -scaled * scaled / 2 - log_scale - math.log(2 * math.pi) / 2


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
    """The state of an evaluation of a flow: the numbers so far, on sizes `dims`, and those that `left` already."""

    program: ir.Program
    raw: Raw
    value: Tensor
    dims: tuple[int, ...]
    watch: Watch | None = None
    trace: list[Traced] = field(default_factory=list)
    left: Tensor = field(default_factory=list)

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
            path = path_of(prefix, step, copies)
            match step.op:
                case ir.Use() as use:
                    callee = self.program.definitions[use.definition]
                    inner = bind(callee, self.dims, dict(use.args), env)
                    if use.inverted and isinstance(callee, ir.Layer):
                        weights = Weights(callee, inner, self.raw, path + ".")
                        self.value = undo(partial(apply_weights, weights), self.value)
                        self._leave(path)
                    else:
                        self.definition(callee, inner, path + ".")
                case ir.Repeat(count=count, steps=inner):
                    for copy in range(evaluate_size(count, env.sizes)):
                        self.steps(inner, env, prefix, (*copies, copy))
                case ir.Pair(steps=inner):
                    self.steps(inner, env, prefix, copies)
                case ir.Move() as move:
                    self.value = [self.value[k] for k in sources(move, self.dims)]
                    self.dims = leaves(move, self.dims)
                    self._leave(path)
                case ir.Logit(alpha=alpha):
                    self.value = [_logit(a, alpha) for a in self.value]
                    self._leave(path)
                case ir.Standardize(mean=mean, std=std):
                    self.standardize(mean, std)
                    self._leave(path)
                case ir.StandardizeData():
                    numbers = [stored(self.raw, f"{path}.{n}", (channels_of(self.dims),)) for n in ("mean", "log_std")]
                    self.standardize(numbers[0], [math.exp(min(max(v, -60.0), 60.0)) for v in numbers[1]])
                    self._leave(path)
                case ir.Pad(extra=extra):
                    self.dims = (self.dims[0] + extra, *self.dims[1:])
                    self.value = self.value + [constant(0.0)] * (math.prod(self.dims) - len(self.value))
                    self._leave(path)
                case ir.FactorOut(keep=keep, prior=prior):
                    self.dims, first, second = halves(self.dims)
                    kept, gone = (first, second) if keep == "first" else (second, first)
                    part = [self.value[k] for k in gone]
                    self.value = [self.value[k] for k in kept]
                    self.left = self.left + (part if prior is None else self.normal(prior, part, env, path))
                    self._leave(path)
                case ir.Ode() as flow:
                    weights = Weights(flow.field.net, bind_net(flow.field, env), self.raw, f"{path}{FIELD}")
                    self.value = integrated(weights, self.value, flow.until, self.watch)
                    self._leave(path)
                case ir.Dequantize() | ir.Prior() | ir.Classify():
                    pass  # outside the bijection
                case other:
                    assert_never(other)

    def standardize(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """(x - mean) / std, of numbers for all or one a channel."""
        channels = [channel_of(p, self.dims) for p in range(len(self.value))]
        self.value = [
            combine(((1 / std[c % len(std)], a), (-1 / std[c % len(std)], constant(mean[c % len(mean)]))))
            for c, a in zip(channels, self.value, strict=True)
        ]

    def normal(self, prior: ir.NetParam, part: Tensor, env: Env, path: str) -> Tensor:
        """(u - m) exp(-s) of a part that leaves, with m and s that the net makes of what goes on."""
        weights = Weights(prior.net, bind_net(prior, env), self.raw, f"{path}.")
        means, log_scales = apply_net(weights, [self.value], self.watch)
        factors = activate(BoundAct(ir.BuiltinAct("exp", ()), env), [combine(((-1.0, s),)) for s in log_scales])
        centred = (combine(((1.0, u), (-1.0, m))) for u, m in zip(part, means, strict=True))
        return [multiply(u, factor) for u, factor in zip(centred, factors, strict=True)]

    def _leave(self, path: str) -> None:
        self.trace.append(Traced(path, [dual.value for dual in self.value]))


def _logit(a: Dual, alpha: float) -> Dual:
    s = alpha + (1 - 2 * alpha) * a.value
    if not 0 < s < 1:
        raise ValueError(f"`logit({alpha:g})` is not defined at {a.value!r}")
    return chain(a, math.log(s) - math.log(1 - s), (1 - 2 * alpha) / (s * (1 - s)))
