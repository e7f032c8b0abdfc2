"""The reference interpreter: the typed core evaluated literally, with dense Jacobians, in plain Python floats.

It says what a program means. Generated modules, counter-examples and tests are compared with it, so it shares no
code with the generator and reads like the definitions, at the price of being fit for tiny sizes only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import NamedTuple, assert_never

from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.dual import Determinant, Dual, chain, combine, constant, determinant, divide, multiply, variables
from mintdsl.core.instance import anchor
from mintdsl.core.interval import Interval
from mintdsl.core.nat import Nat
from mintdsl.core.weights import (
    Argument,
    BoundAct,
    Env,
    Member,
    Raw,
    Weights,
    bind,
    effective,
    evaluate_size,
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
    "param_shape",
    "parameters",
]

Tensor = list[Dual]  # flat, row-major; a single number stands for a number, which fits every shape


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
    layer = _find(program, key)
    if not isinstance(layer, ir.Layer):
        raise ValueError(f"`{key}` is a flow; evaluate_layer takes a layer")
    return _result(_layer(layer, bind(layer, shape, args), _input(x, shape), raw, prefix))


def evaluate_flow(
    program: ir.Program, key: str, x: Sequence[float], shape: Sequence[int], args: Mapping[str, Argument], raw: Raw
) -> FlowResult:
    """The bijection of the flow `key` at `x`, flat in `shape`: its steps without `dequantize` and `prior`.

    A layer is taken as a flow of one step with the empty path. ValueError as for `evaluate_layer`.
    """
    definition = _find(program, key)
    walk = _Walk(program, raw, _input(x, shape), tuple(shape))
    walk.definition(definition, bind(definition, shape, args), "")
    result = _result(walk.value)
    return FlowResult(result.value, result.jacobian, determinant(result.jacobian).log_abs, walk.trace)


def parameters(
    program: ir.Program, key: str, shape: Sequence[int], args: Mapping[str, Argument]
) -> dict[str, tuple[int, ...]]:
    """Shapes of all raw tensors of a layer or flow by state-dict key: of each layer its parameters, then its sign buffers.

    Layers come in the order of their steps in the text, copies of one step after another. ValueError for wrong sizes.
    """
    definition = _find(program, key)
    found: dict[str, tuple[int, ...]] = {}
    for prefix, layer, env in _layers(program, definition, bind(definition, shape, args), ""):
        for param in layer.params:
            found[prefix + param.name] = param_shape(layer, param, env.dims, env.sizes)
        for param in layer.params:
            signs = sign_shape(layer, param, env.dims, env.sizes)
            if signs is not None:
                found[f"{prefix}{param.name}_sign"] = signs
    return found


def _find(program: ir.Program, key: str) -> ir.Definition:
    if key not in program.definitions:
        raise ValueError(f"the program has no definition `{key}`; it has {', '.join(program.definitions) or 'none'}")
    return program.definitions[key]


def _input(x: Sequence[float], shape: Sequence[int]) -> Tensor:
    if len(x) != prod(shape):
        raise ValueError(f"the input has {len(x)} numbers, its shape {list(shape)} takes {prod(shape)}")
    return variables(x)


def _result(outputs: Tensor) -> Result:
    jacobian = [dual.row(len(outputs)) for dual in outputs]
    return Result([dual.value for dual in outputs], jacobian, [row[p] for p, row in enumerate(jacobian)])


# ---------------------------------------------------------------- layers


def _layer(layer: ir.Layer, env: Env, x: Tensor, raw: Raw, prefix: str) -> Tensor:
    formula = _Formula(env, x, Weights(layer, env, raw, prefix))
    for let in layer.lets:
        for member in formula.members(let.indices):
            formula.lets[(let.name, member)] = formula.expr(let.value, dict(zip(let.indices, member, strict=True)))
    result = formula.expr(layer.result, {})
    return result * len(x) if len(result) == 1 else result


@dataclass(slots=True)
class _Formula:
    """One evaluation of a layer's formula, or of an activation's (which has no parameters)."""

    env: Env
    variable: Tensor
    weights: Weights | None = None
    lets: dict[tuple[str, Member], Tensor] = field(default_factory=dict)

    def members(self, indices: Sequence[str]) -> Iterator[Member]:
        """All values of `indices`."""
        return self._weights().members(indices)

    def expr(self, node: ir.Expr, at: Mapping[str, int]) -> Tensor:
        """The value of `node` where the indices have the values `at`."""
        match node:
            case ir.Var():
                return self.variable
            case ir.Scalar():
                return [constant(self._scalar(node.value))]
            case ir.Value():
                return [constant(v) for v in self._weights().elements(node.param, _member(node.indices, at))]
            case ir.Ref():
                return self.lets[(node.name, _member(node.indices, at))]
            case ir.Linear():
                return self._linear(node, self.expr(node.arg, at), _member(node.indices, at))
            case ir.Apply():
                return activate(BoundAct(node.act, self.env), self.expr(node.arg, at))
            case ir.Neg():
                return [combine(((-1.0, a),)) for a in self.expr(node.arg, at)]
            case ir.Binary():
                return self._binary(node, at)
            case ir.Sum():
                terms = [
                    self.expr(node.body, {**at, **dict(zip(node.indices, member, strict=True))})
                    for member in self.members(node.indices)
                ]
                return [combine((1.0, term) for term in column) for column in zip(*terms, strict=True)]
            case other:
                assert_never(other)

    def _weights(self) -> Weights:
        assert self.weights is not None  # elaboration keeps parameters and indices out of activations
        return self.weights

    def _scalar(self, value: float | Nat | str) -> float:
        match value:
            case Nat():
                return float(evaluate_size(value, self.env.sizes))
            case str():
                return self.env.look(self.env.numbers, value)
            case _:
                return float(value)

    def _binary(self, node: ir.Binary, at: Mapping[str, int]) -> Tensor:
        # a sum of two thousand terms leans to the left: going down in a loop keeps the call stack flat
        pending: list[ir.Binary] = []
        left: ir.Expr = node
        while isinstance(left, ir.Binary):
            pending.append(left)
            left = left.left
        total = self.expr(left, at)
        for step in reversed(pending):
            total = _elementwise(_OPERATORS[step.op], total, self.expr(step.right, at))
        return total

    def _linear(self, node: ir.Linear, argument: Tensor, member: Member) -> Tensor:
        weights = self._weights()
        param = weights.layer.param(node.param)
        values = weights.of(node.param, member)
        source, target = self.env.shape(param.source), self.env.shape(param.target)
        match param.kind:
            case ir.Conv() as conv:
                word = conv.direction or "lower"  # unmasked kernels name their anchor, so this does not matter
                direction = word if word in ("lower", "upper") else self.env.look(self.env.directions, word)
                return _convolve(values, conv.size, anchor(conv, direction), argument, source, target)
            case ir.Dense():
                if len(source) != 1:
                    raise ValueError(f"`{node.param}` is a linear map on sizes {list(source)}; only Vec is evaluated")
                inputs = source[0]
                rows = (values[o * inputs : (o + 1) * inputs] for o in range(target[0]))
                return [combine((w, a) for w, a in zip(row, argument, strict=True) if w) for row in rows]
            case ir.Elementwise():
                raise ValueError(f"`{node.param}` is a {param.kind.kind}, it cannot be applied")
            case other:
                assert_never(other)


def _member(indices: Sequence[str], at: Mapping[str, int]) -> Member:
    return tuple(at[i] for i in indices)


def _elementwise(operator: Callable[[Dual, Dual], Dual], left: Tensor, right: Tensor) -> Tensor:
    size = max(len(left), len(right))
    left, right = (side * size if len(side) == 1 else side for side in (left, right))
    return [operator(a, b) for a, b in zip(left, right, strict=True)]


_OPERATORS: dict[str, Callable[[Dual, Dual], Dual]] = {
    "+": lambda a, b: combine(((1.0, a), (1.0, b))),
    "-": lambda a, b: combine(((1.0, a), (-1.0, b))),
    "*": multiply,
    "/": divide,
}


def _convolve(
    kernel: Sequence[float],
    size: tuple[int, int],
    centre: tuple[int, int],
    x: Tensor,
    source: tuple[int, ...],
    target: tuple[int, ...],
) -> Tensor:
    """y[o, h, w] = sum of kernel[o, i, u, v] x[i, h + u - row, w + v - column], x zero outside; (row, column) = centre."""
    channels, height, width = source
    taps = [
        [(kernel[((o * channels + i) * size[0] + u) * size[1] + v], i, u - centre[0], v - centre[1])
         for i, u, v in product(range(channels), range(size[0]), range(size[1]))]
        for o in range(target[0])
    ]  # fmt: skip
    return [
        combine(
            (weight, x[(i * height + h + dh) * width + w + dw])
            for weight, i, dh, dw in taps[o]
            if weight and 0 <= h + dh < height and 0 <= w + dw < width  # a masked weight is no dependency
        )
        for o, h, w in product(*map(range, target))
    ]


def activate(bound: BoundAct, argument: Tensor) -> Tensor:
    """An activation at each element. ValueError outside its domain."""
    act, env = bound
    match act:
        case ir.FormalAct():
            return activate(env.look(env.acts, act.name), argument)
        case ir.DefinedAct():
            result = _Formula(env, argument).expr(act.body, {})
            return result * len(argument) if len(result) == 1 else result
        case ir.BuiltinAct():
            info = ACTIVATIONS[act.name]
            options = [env.look(env.numbers, o) if isinstance(o, str) else o for o in act.options]
            for a in argument:
                if not Interval(a.value, a.value).within(info.domain):
                    raise ValueError(f"`{act.name}` is defined on {info.domain}, not at {a.value!r}")
            return [chain(a, info.value(a.value, *options), info.derivative(a.value, *options)) for a in argument]
        case other:
            assert_never(other)


# ---------------------------------------------------------------- flows


@dataclass(slots=True)
class _Walk:
    """The state of an evaluation of a flow: the numbers so far, on sizes `dims`."""

    program: ir.Program
    raw: Raw
    value: Tensor
    dims: tuple[int, ...]
    trace: list[Traced] = field(default_factory=list)

    def definition(self, definition: ir.Definition, env: Env, prefix: str) -> None:
        """Go through a layer or flow whose parameters' keys start with `prefix`."""
        if isinstance(definition, ir.Flow):
            self.steps(definition.steps, env, prefix, ())
            return
        self.value = _layer(definition, env, self.value, self.raw, prefix)
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
                case ir.Dequantize() | ir.Prior():
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


def _layers(
    program: ir.Program, definition: ir.Definition, env: Env, prefix: str
) -> list[tuple[str, ir.Layer, Env]]:
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
                    found += _layers(program, callee, inner, _path(prefix, step, copy) + ".")
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
            case ir.Logit() | ir.Dequantize() | ir.Prior():
                pass
            case other:
                assert_never(other)
    return found, dims
