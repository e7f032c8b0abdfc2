"""The reference interpreter: the typed core evaluated literally, with dense Jacobians, in plain Python floats.

It says what a program means. Generated modules, counter-examples and tests are compared with it, so it shares no
code with the generator and reads like the definitions, at the price of being fit for tiny sizes only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import NamedTuple, TypeAlias, assert_never

from mintdsl.core import ir
from mintdsl.core.dual import Determinant, Dual, chain, combine, constant, determinant, variables
from mintdsl.core.interpret_layer import Tensor, Watch, apply_layer, apply_weights, parts_of
from mintdsl.core.interpret_moves import leaves, sources
from mintdsl.core.interpret_weights import (
    Argument,
    Env,
    Raw,
    Weights,
    bind,
    bind_layer,
    bind_net,
    channel_of,
    channels_of,
    effective,
    evaluate_size,
    extents,
    order_shape,
    param_shape,
    sign_shape,
    stored,
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
    "estimates",
    "evaluate_flow",
    "evaluate_layer",
    "evaluate_size",
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
    result = _result([*walk.left, *walk.value], len(x))
    # `pad` raises the dimension: there is no determinant then
    log_det = determinant(result.jacobian).log_abs if len(result.value) == len(x) else math.nan
    return FlowResult(result.value, result.jacobian, log_det, walk.trace)


def parameters(
    program: ir.Program, key: str, shape: Sequence[int], args: Mapping[str, Argument]
) -> dict[str, tuple[int, ...]]:
    """Shapes of all raw tensors of a layer or flow by state-dict key.

    Of each layer its parameters, then its sign buffers; of `standardize` by data its statistics. They come in the order
    of their steps in the text, copies of one step after another, the prior last. ValueError for wrong sizes.
    """
    definition = _find(program, key)
    found: dict[str, tuple[int, ...]] = {}
    own = bind(definition, shape, args)
    parts, latent = _parts(program, definition, own, "")
    for prefix, layer, env in parts:
        if isinstance(layer, ir.StandardizeData):
            found |= dict.fromkeys((f"{prefix}mean", f"{prefix}log_std"), (channels_of(env.dims),))
            continue
        found |= _tensors(layer, env, prefix)
    prior = _prior(definition)
    if prior is not None and prior.per:
        left = sum(math.prod(evaluate_size(d, own.sizes) for d in part.dims) for part in prior.left)
        latent = (left + math.prod(latent),) if left else latent
        found |= dict.fromkeys(("prior.location", "prior.log_scale"), _prior_shape(prior, latent))
    return found


def _tensors(layer: ir.Layer | ir.Net, env: Env, prefix: str) -> dict[str, tuple[int, ...]]:
    """The raw tensors of a layer or net, then those of its nets; a layer that it applies is a layer of its own."""
    found: dict[str, tuple[int, ...]] = {}
    for param in layer.params:
        if isinstance(param.kind, (ir.NetParam, ir.LayerParam, ir.LayerNorm, ir.Attention)):
            found |= {f"{prefix}{param.name}.{name}": shape for name, shape in parts_of(param, env).items()}
            continue
        if isinstance(param.kind, ir.Perm):
            continue
        shape_ = param_shape(layer, param, env.dims, env.sizes)
        if isinstance(param.kind, ir.Normalize):
            found |= {f"{prefix}{param.name}_mean": shape_, f"{prefix}{param.name}_var": shape_}
        else:
            found[prefix + param.name] = shape_
        if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.norm:
            found[f"{prefix}{param.name}_gain"] = shape_[: len(param.indices) + 1]
    for param in layer.params:
        signs = sign_shape(layer, param, env.dims, env.sizes)
        if signs is not None:
            found[f"{prefix}{param.name}_sign"] = signs
        order = order_shape(layer, param, env.dims, env.sizes)
        if order is not None:
            found[f"{prefix}{param.name}_order"] = order
    for param, kind in ir.net_params(layer):
        for member in product(*map(range, extents(layer, param.indices, env.sizes))):
            path = ".".join([param.name, *map(str, member)])
            found |= _tensors(kind.net, bind_net(kind, env), f"{prefix}{path}.")
    return found


def log_prior(program: ir.Program, key: str, z: Sequence[float], shape: Sequence[int], raw: Raw) -> float:
    """The log-density of the prior of the flow `key` at `z`, flat in the latent's `shape`.

    ValueError for a definition without a prior, and for missing tensors.
    """
    prior, dims = _prior(_find(program, key)), tuple(shape)
    if prior is None:
        raise ValueError(f"`{key}` has no prior")
    if prior.name == "logistic":
        return sum(-abs(v) - 2 * math.log1p(math.exp(-abs(v))) for v in z)
    own = _prior_shape(prior, dims)
    location, log_scale = ([0.0], [0.0])
    if prior.per:
        location, log_scale = (list(stored(raw, f"prior.{name}", own)) for name in ("location", "log_scale"))
    places = [p if prior.per == "element" else channel_of(p, dims) if prior.per else 0 for p in range(len(z))]
    total = 0.0
    for v, place in zip(z, places, strict=True):
        scaled = (v - location[place]) / math.exp(log_scale[place])
        total -= scaled * scaled / 2 + log_scale[place] + math.log(2 * math.pi) / 2
    return total


def _prior(definition: ir.Definition) -> ir.Prior | None:
    steps = definition.steps if isinstance(definition, ir.Flow) else ()
    return next((step.op for step in steps if isinstance(step.op, ir.Prior)), None)


def _prior_shape(prior: ir.Prior, dims: tuple[int, ...]) -> tuple[int, ...]:
    return dims if prior.per == "element" else (channels_of(dims),)


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
                case ir.FactorOut(keep=keep):
                    self.dims, first, second = _halves(self.dims)
                    kept, gone = (first, second) if keep == "first" else (second, first)
                    self.left = self.left + [self.value[k] for k in gone]
                    self.value = [self.value[k] for k in kept]
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

    def _leave(self, path: str) -> None:
        self.trace.append(Traced(path, [dual.value for dual in self.value]))


def _path(prefix: str, step: ir.Step, copies: tuple[int, ...]) -> str:
    return prefix + ".".join([step.name, *map(str, copies)])


def _logit(a: Dual, alpha: float) -> Dual:
    s = alpha + (1 - 2 * alpha) * a.value
    if not 0 < s < 1:
        raise ValueError(f"`logit({alpha:g})` is not defined at {a.value!r}")
    return chain(a, math.log(s) - math.log(1 - s), (1 - 2 * alpha) / (s * (1 - s)))


def _halves(dims: tuple[int, ...]) -> tuple[tuple[int, ...], list[int], list[int]]:
    """The sizes of a half, and the flat places of the first and of the second one, in order."""
    axis = 1 if len(dims) == 2 else 0  # the features of a Seq
    half, rest = divmod(dims[axis], 2)
    if rest:
        raise ValueError(f"`factor half` of the sizes {list(dims)}: {dims[axis]} has no halves")
    first: list[int] = []
    second: list[int] = []
    for flat, place in enumerate(product(*map(range, dims))):
        (first if place[axis] < half else second).append(flat)
    return (*dims[:axis], half, *dims[axis + 1 :]), first, second


def layers(program: ir.Program, definition: ir.Definition, env: Env, prefix: str) -> list[tuple[str, ir.Layer, Env]]:
    """Every layer below a definition with the prefix of its keys, by steps in the text, then by copies.

    After a layer come those that its formula applies.
    """
    parts, _ = _parts(program, definition, env, prefix)
    return [(place, part, inner) for place, part, inner in parts if isinstance(part, ir.Layer)]


def estimates(program: ir.Program, definition: ir.Definition, env: Env) -> list[str]:
    """The prefix of the keys of every `standardize` by data below a definition, in the same order."""
    return [place for place, part, _ in _parts(program, definition, env, "")[0] if isinstance(part, ir.StandardizeData)]


Part: TypeAlias = tuple[str, ir.Layer | ir.StandardizeData, Env]


def _parts(program: ir.Program, definition: ir.Definition, env: Env, prefix: str) -> tuple[list[Part], tuple[int, ...]]:
    """Every layer and `standardize` by data below a definition with its keys' prefix; and the sizes that leave."""
    if isinstance(definition, ir.Layer):
        return _with_applied(definition, env, prefix), env.dims
    return _uses(program, definition.steps, env, prefix, [()], env.dims)


def _with_applied(layer: ir.Layer, env: Env, prefix: str) -> list[Part]:
    """A layer, then those that its formula applies."""
    found: list[Part] = [(prefix, layer, env)]
    for param, used in ir.applied_layers(layer):
        found += _with_applied(used.layer, bind_layer(used, env), f"{prefix}{param.name}.")
    return found


def _uses(
    program: ir.Program,
    steps: Sequence[ir.Step],
    env: Env,
    prefix: str,
    copies: Sequence[tuple[int, ...]],
    dims: tuple[int, ...],
) -> tuple[list[Part], tuple[int, ...]]:
    """The parts of `steps`, entered with sizes `dims` in each of `copies`; and the sizes that leave."""
    found: list[Part] = []
    for step in steps:
        match step.op:
            case ir.Use() as use:
                callee = program.definitions[use.definition]
                inner = bind(callee, dims, dict(use.args), env)
                for copy in copies:
                    found += _parts(program, callee, inner, _path(prefix, step, copy) + ".")[0]
                if isinstance(callee, ir.Flow):
                    dims = _uses(program, callee.steps, inner, prefix, [], dims)[1]
            case ir.StandardizeData() as op:
                found += [(_path(prefix, step, copy) + ".", op, replace(env, dims=dims)) for copy in copies]
            case ir.Repeat(count=count, steps=block):
                numbers = [(*copy, k) for copy in copies for k in range(evaluate_size(count, env.sizes))]
                found += _uses(program, block, env, prefix, numbers, dims)[0]  # a repeated block keeps the sizes
            case ir.Pair(steps=block):
                more, dims = _uses(program, block, env, prefix, copies, dims)
                found += more
            case ir.Move() as move:
                dims = leaves(move, dims)
            case ir.Pad(extra=extra):
                dims = (dims[0] + extra, *dims[1:])
            case ir.FactorOut():
                dims = _halves(dims)[0]
            case ir.Logit() | ir.Standardize() | ir.Dequantize() | ir.Prior() | ir.Classify():
                pass
            case other:
                assert_never(other)
    return found, dims
