"""The interpreter's side of formulas: a layer, an activation or a map applied, as defined, to numbers.

The numbers carry gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias, assert_never

from mintdsl.core import ir, walks
from mintdsl.core.activations import ACTIVATIONS, Activation
from mintdsl.core.dual import Dual, chain, combine, constant, divide, multiply
from mintdsl.core.instance import anchor
from mintdsl.core.interpret_weights import BoundAct, Env, Member, Raw, Weights, channel_of, evaluate_size
from mintdsl.core.interval import Interval
from mintdsl.core.nat import Nat
from mintdsl.core.permutations import permuted_places

Tensor: TypeAlias = list[Dual]  # flat, row-major; one element also stands for a number, which fits every shape


# Called with each registered activation and each argument that it is about to meet; it may raise.
Watch: TypeAlias = Callable[[Activation, Dual], None]


def apply_layer(layer: ir.Layer, env: Env, x: Tensor, raw: Raw, prefix: str) -> Tensor:
    """The layer at `x`, flat in the shape that `env` binds. ValueError where it has no value there."""
    return apply_weights(Weights(layer, env, raw, prefix), x)


def apply_weights(weights: Weights, x: Tensor, watch: Watch | None = None) -> Tensor:
    """The same with weights that are made already, for one layer at many inputs."""
    layer = weights.layer
    formula = _Formula(weights.env, x, weights, watch)
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
    watch: Watch | None = None
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
                return activate(BoundAct(node.act, self.env), self.expr(node.arg, at), self.watch)
            case ir.Neg():
                return [combine(((-1.0, a),)) for a in self.expr(node.arg, at)]
            case ir.Binary():
                first, operations = walks.chain(node)
                value = self.expr(first, at)
                for operation in operations:
                    value = _elementwise(_OPERATORS[operation.op], value, self.expr(operation.right, at))
                return value
            case ir.Pool():
                raise ValueError("mean_pool stands in nets only, and nets are not evaluated")
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
            case ir.Normalize(eps=eps):
                count = len(values) // 2
                scales = [1 / math.sqrt(max(v, 0.0) + eps) for v in values[count:]]
                channel = [channel_of(p, source) for p in range(len(argument))]
                return [
                    combine(((scales[c], a), (-scales[c], constant(values[c]))))
                    for c, a in zip(channel, argument, strict=True)
                ]
            case ir.Perm(axis=axis, seed=seed):
                return [argument[k] for k in permuted_places(source, axis, seed)]
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
    """y[o, h, w] = sum of kernel[o, i, u, v] x[i, h + u - row, w + v - column], x zero outside.

    (row, column) = centre.
    """
    channels, height, width = source
    taps = [
        [
            (weight, i, u - centre[0], v - centre[1])
            for i, u, v in product(range(channels), range(size[0]), range(size[1]))
            if (weight := kernel[((o * channels + i) * size[0] + u) * size[1] + v])  # a masked weight is no dependency
        ]
        for o in range(target[0])
    ]
    return [
        combine(
            (weight, x[(i * height + h + dh) * width + w + dw])
            for weight, i, dh, dw in taps[o]
            if 0 <= h + dh < height and 0 <= w + dw < width
        )
        for o, h, w in product(*map(range, target))
    ]


def activate(bound: BoundAct, argument: Tensor, watch: Watch | None = None) -> Tensor:
    """An activation at each element. ValueError outside its domain."""
    act, env = bound
    match act:
        case ir.FormalAct():
            return activate(env.look(env.acts, act.name), argument, watch)
        case ir.DefinedAct():
            result = _Formula(env, argument, watch=watch).expr(act.body, {})
            return result * len(argument) if len(result) == 1 else result
        case ir.BuiltinAct():
            info = ACTIVATIONS[act.name]
            options = [env.look(env.numbers, o) if isinstance(o, str) else o for o in act.options]
            for a in argument:
                if watch is not None:
                    watch(info, a)
                if not Interval(a.value, a.value).within(info.domain):
                    raise ValueError(f"`{act.name}` is defined on {info.domain}, not at {a.value!r}")
            return [chain(a, info.value(a.value, *options), info.derivative(a.value, *options)) for a in argument]
        case other:
            assert_never(other)
