"""The interpreter's side of formulas: a layer, an activation or a map applied, as defined, to numbers.

The numbers carry gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import prod
from typing import TypeAlias, assert_never

from mintdsl.core import ir, walks
from mintdsl.core.activations import ACTIVATIONS, Activation
from mintdsl.core.dual import Dual, chain, combine, constant, divide, multiply, variables
from mintdsl.core.interpret_bends import bent
from mintdsl.core.interpret_env import BoundAct, Env, evaluate_size
from mintdsl.core.interpret_exponential import exponential
from mintdsl.core.interpret_extern import stand_in
from mintdsl.core.interpret_inverse import undo
from mintdsl.core.interpret_moves import sources
from mintdsl.core.interpret_weights import Member, Raw, Weights, channel_of
from mintdsl.core.interval import Interval
from mintdsl.core.live import anchor
from mintdsl.core.nat import Nat
from mintdsl.core.places import part_places
from mintdsl.core.postorder import below

Tensor: TypeAlias = list[Dual]  # flat, row-major; one element also stands for a number, which fits every shape


# Called with each registered activation and each argument that it is about to meet; it may raise.
Watch: TypeAlias = Callable[[Activation, Dual], None]


def apply_layer(layer: ir.Layer, env: Env, x: Tensor, raw: Raw, prefix: str) -> Tensor:
    """The layer at `x`, flat in the shape that `env` binds. ValueError where it has no value there."""
    return apply_weights(Weights(layer, env, raw, prefix), x)


def apply_weights(weights: Weights, x: Tensor, watch: Watch | None = None) -> Tensor:
    """The same with weights that are made already, for one layer at many inputs."""
    layer = weights.layer
    assert isinstance(layer, ir.Layer)
    if layer.split is not None:
        return _apply_parts(weights, layer, layer.split, x, watch)
    return _results(_Formula(weights.env, {layer.variable: x}, weights, watch), [(layer.result, layer.shape)])[0]


def _apply_parts(weights: Weights, layer: ir.Layer, split: ir.Split, x: Tensor, watch: Watch | None) -> Tensor:
    """A layer that cuts its variable into parts."""
    start = evaluate_size(split.start, weights.env.sizes, 0)
    places = dict(zip(split.parts, part_places(split, start, weights.env.dims), strict=True))
    masked = split.functional is not None  # then a part is the whole, and only its own places count
    variables = {name: x if masked else [x[p] for p in own] for name, own in places.items()}
    formula = _Formula(weights.env, variables, weights, watch, places=places)
    whole = list(x)
    wanted = [(formula_, shape) for (_, formula_), shape in zip(layer.results, split.shapes, strict=True)]
    for own, values in zip(places.values(), _results(formula, wanted), strict=True):
        for k, p in enumerate(own):
            whole[p] = values[p if masked else k]
    return whole


def apply_net(weights: Weights, inputs: Sequence[Tensor], watch: Watch | None = None) -> list[Tensor]:
    """The results of a net, each flat in its shape, of inputs that are flat in theirs."""
    net = weights.layer
    assert isinstance(net, ir.Net)
    if net.extern:
        return stand_in(weights, inputs)
    named = {name: x for (name, _), x in zip(net.inputs, inputs, strict=True)}
    return _results(_Formula(weights.env, named, weights, watch), list(zip(net.results, net.targets, strict=True)))


def _results(formula: _Formula, results: Sequence[tuple[ir.Expr, ir.Shape]]) -> list[Tensor]:
    """Each result at every place of its shape, after the lets."""
    for let in formula.weights_at().layer.lets:
        for member in formula.members(let.indices):
            formula.lets[(let.name, member)] = formula.expr(let.value, dict(zip(let.indices, member, strict=True)))
    found = []
    for result, shape in results:
        value, size = formula.expr(result, {}), prod(formula.env.shape(shape))
        found.append(value * size if len(value) == 1 else value)
    return found


@dataclass(slots=True)
class _Formula:
    """One evaluation of a layer's or net's formulas, or of an activation's (which has no parameters)."""

    env: Env
    variables: Mapping[str, Tensor]
    weights: Weights | None = None
    watch: Watch | None = None
    places: Mapping[str, Sequence[int]] = field(default_factory=dict)  # of each part of a split
    lets: dict[tuple[str, Member], Tensor] = field(default_factory=dict)
    calls: dict[tuple[object, ...], list[Tensor]] = field(default_factory=dict)  # results of nets, each made once

    def members(self, indices: Sequence[str]) -> Iterator[Member]:
        """All values of `indices`."""
        return self.weights_at().members(indices)

    def expr(self, node: ir.Expr, at: Mapping[str, int]) -> Tensor:
        """The value of `node` where the indices have the values `at`."""
        match node:
            case ir.Var(name=name):
                return self.variables[name]
            case ir.Spread(arg=ir.Var(name=name)):
                own = set(self.places[name])
                return [a if p in own else constant(0.0) for p, a in enumerate(self.variables[name])]
            case ir.Pick():
                return self.expr(node.arg, at)
            case ir.Given(name=name):
                if self.env.given is None:
                    raise ValueError(f"the context `{name}` is missing")
                return [constant(v) for v in self.env.given.values]
            case ir.Scalar():
                return [constant(self._scalar(node.value))]
            case ir.Value():
                return [constant(v) for v in self.weights_at().elements(node.param, _member(node.indices, at))]
            case ir.Ref():
                return self.lets[(node.name, _member(node.indices, at))]
            case ir.Linear():
                return self._linear(node, self.expr(node.arg, at), _member(node.indices, at))
            case ir.Exponential(param=name, arg=arg, span=span):
                value, size = self.expr(arg, at), prod(self.env.shape(self.weights_at().layer.param(name).source))
                value = value * size if len(value) == 1 else value
                images = self._linear(ir.Linear(name, (), arg, span), variables([0.0] * size), ())
                matrix = exponential([dual.row(size) for dual in images])
                return [combine(zip(row, value, strict=True)) for row in matrix]
            case ir.Cayley(branch=branch):
                return self._cayley(branch, at)
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
            case ir.Spread() | ir.Join():
                raise ValueError("this stands at the end of a layer, or takes a part by its name")
            case ir.Pool():
                value, channels = self.expr(node.arg, at), self.env.shape(node.source)[0]
                pixels = len(value) // channels
                places = (value[c * pixels : (c + 1) * pixels] for c in range(channels))
                return [combine((1 / pixels, a) for a in place) for place in places]
            case ir.MaxMin():
                return _maxmin(self.expr(node.arg, at), self.env.shape(node.shape))
            case ir.Swish(beta=beta):
                number = self.weights_at().of(beta, ())[0] if beta else 1.0
                return _swish(self.expr(node.arg, at), self.env.shape(node.source), number, twice=node.twice)
            case ir.Call():
                return self._call(node, at)[node.output]
            case ir.Inline():
                weights, value = self.weights_at(), self.expr(node.arg, at)
                inside = weights.inside(weights.layer.param(node.param), ())
                size = prod(inside.env.dims)
                return apply_weights(inside, value * size if len(value) == 1 else value, self.watch)
            case ir.Chain(param=name, index=index, arg=arg):
                value = self.expr(arg, at)
                weights = self.weights_at()
                for member in self.members((index,)):
                    (value,) = apply_net(weights.inside(weights.layer.param(name), member), [value], self.watch)
                return value
            case ir.Concat():
                return self._concat(node, at)
            case ir.Bend():
                argument, *raw = (self.expr(one, at) for one in (node.arg, *node.params))
                return bent(node.bijection, argument, raw, self.env.shape(node.shape), node.options)
            case ir.Delay():
                value, width = self.expr(node.arg, at), self.env.shape(node.shape)[-1]
                return [constant(0.0)] * width + value[: len(value) - width]
            case ir.Sum():
                terms = [
                    self.expr(node.body, {**at, **dict(zip(node.indices, member, strict=True))})
                    for member in self.members(node.indices)
                ]
                return [combine((1.0, term) for term in column) for column in zip(*terms, strict=True)]
            case other:
                assert_never(other)

    def _call(self, node: ir.Call, at: Mapping[str, int]) -> list[Tensor]:
        weights = self.weights_at()
        key = (node.param, node.indices, node.args, tuple(sorted(at.items())))
        if key not in self.calls:
            inside = weights.inside(weights.layer.param(node.param), _member(node.indices, at))
            assert isinstance(inside.layer, ir.Net)
            sizes = [prod(inside.env.shape(shape)) for _, shape in inside.layer.inputs]
            values = [self.expr(arg, at) for arg in node.args]
            args = [v * size if len(v) == 1 else v for v, size in zip(values, sizes, strict=True)]
            self.calls[key] = apply_net(inside, args, self.watch)
        return self.calls[key]

    def _cayley(self, branch: ir.Expr, at: Mapping[str, int]) -> Tensor:
        """w - g(w), w the solution of w + g(w) = x; g is what `branch` makes of its variable."""
        name = next(node.name for node in below(branch) if isinstance(node, ir.Var))

        def moved(sign: float, w: Tensor) -> Tensor:
            there = replace(self, variables={**self.variables, name: w}, calls={})
            value = there.expr(branch, at)
            return [combine(((1.0, a), (sign, b))) for a, b in zip(w, value * (len(w) // len(value)), strict=True)]

        return moved(-1.0, undo(partial(moved, 1.0), self.variables[name]))

    def _concat(self, node: ir.Concat, at: Mapping[str, int]) -> Tensor:
        """Channels stacked, place by place: the channels of each argument there, those of a Vec the same at all."""
        parts = []
        for arg, shape in zip(node.args, node.shapes, strict=True):
            value, dims = self.expr(arg, at), self.env.shape(shape)
            parts.append((value * prod(dims) if len(value) == 1 else value, dims))
        if node.weights:
            weights = self.weights_at().of(node.weights, ())
            parts = [([combine(((w, a),)) for a in own], dims) for w, (own, dims) in zip(weights, parts, strict=True)]
        whole = next((dims for _, dims in parts if len(dims) > 1), ())
        if len(whole) == 3:
            pixels = whole[1] * whole[2]
            spread = (value if len(dims) == 3 else [v for v in value for _ in range(pixels)] for value, dims in parts)
            return [a for value in spread for a in value]
        tokens = whole[0] if whole else 1
        return [
            a
            for t in range(tokens)
            for value, dims in parts
            for a in (value if len(dims) == 1 else value[t * dims[1] : (t + 1) * dims[1]])
        ]

    def weights_at(self) -> Weights:
        """The weights of the definition; an activation has none."""
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
        weights = self.weights_at()
        param = weights.layer.param(node.param)
        if isinstance(param.kind, ir.Ready):
            return _ready(weights, param, argument, self.env)
        values = weights.of(node.param, member)
        source, target = self.env.shape(param.source), self.env.shape(param.target)
        match param.kind:
            case ir.Conv() as conv:
                word = conv.direction or "lower"  # unmasked kernels name their anchor, so this does not matter
                direction = word if word in ("lower", "upper") else self.env.look(self.env.directions, word)
                return _convolve(values, conv, anchor(conv, direction), argument, source, target)
            case ir.Dense():
                return _matrix(values, source[-1], argument)
            case ir.Normalize(eps=eps):
                count = len(values) // 2
                scales = [1 / math.sqrt(max(v, 0.0) + eps) for v in values[count:]]
                channel = [channel_of(p, source) for p in range(len(argument))]
                return [
                    combine(((scales[c], a), (-scales[c], constant(values[c]))))
                    for c, a in zip(channel, argument, strict=True)
                ]
            case ir.Perm(axis=axis, seed=seed):
                return [argument[k] for k in sources(ir.Permute(axis, seed), source)]
            case ir.Elementwise():
                raise ValueError(f"`{node.param}` is a {param.kind.kind}, it cannot be applied")
            case ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
                raise ValueError(f"`{node.param}` is no linear map")
            case other:
                assert_never(other)


def parts_of(param: ir.Param, env: Env) -> dict[str, tuple[int, ...]]:
    """The tensors of a kind that has several, by name."""
    dims = env.shape(param.target)
    channels = dims[0] if len(dims) == 3 else dims[-1]
    match param.kind:
        case ir.LayerNorm():
            return {"scale": (channels,), "shift": (channels,)}
        case ir.Attention():
            return {name: (channels, channels) for name in ("query", "key", "value", "out")}
        case _:
            return {}


def _matrix(values: Sequence[float], inputs: int, argument: Tensor) -> Tensor:
    """A matrix of rows of `inputs` entries, at each token."""
    rows = [values[k : k + inputs] for k in range(0, len(values), inputs)]
    tokens = [argument[k : k + inputs] for k in range(0, len(argument), inputs)]
    return [combine((w, a) for w, a in zip(row, token, strict=True) if w) for token in tokens for row in rows]


def _ready(weights: Weights, param: ir.Param, x: Tensor, env: Env) -> Tensor:
    """Layer normalisation or attention, by their definitions."""
    tensors = {name: weights.part(param, name, shape) for name, shape in parts_of(param, env).items()}
    dims = env.shape(param.target)
    if isinstance(param.kind, ir.Attention):
        heads = evaluate_size(param.kind.heads, env.sizes)
        word = param.kind.direction
        direction = word if word is None or word in ("lower", "upper") else env.look(env.directions, word)
        return _attention(tensors, heads, direction, x, dims)
    assert isinstance(param.kind, ir.LayerNorm)
    groups: dict[int, list[int]] = {}  # the places of each pixel or token
    for p in range(len(x)):
        groups.setdefault(p % (dims[1] * dims[2]) if len(dims) == 3 else p // dims[-1], []).append(p)
    result = list(x)
    for places in groups.values():
        mean = combine((1 / len(places), x[p]) for p in places)
        apart = [combine(((1.0, x[p]), (-1.0, mean))) for p in places]
        var = combine((1 / len(places), multiply(a, a)) for a in apart)
        below = math.sqrt(var.value + param.kind.eps)
        inverse = chain(var, 1 / below, -0.5 / below**3)
        for p, a in zip(places, apart, strict=True):
            c = channel_of(p, dims)
            scaled = multiply(a, inverse)
            result[p] = combine(((tensors["scale"][c], scaled), (1.0, constant(tensors["shift"][c]))))
    return result


def _attention(
    tensors: Mapping[str, list[float]], heads: int, direction: str | None, x: Tensor, dims: tuple[int, ...]
) -> Tensor:
    """softmax(q k / sqrt(size of a head)) v over the tokens that the direction lets through, then a last matrix."""
    length, width = dims
    query, key, value = (_matrix(tensors[name], width, x) for name in ("query", "key", "value"))
    size = width // heads
    mixed: Tensor = []
    for t, head in product(range(length), range(heads)):
        seen = [s for s in range(length) if direction is None or (s <= t if direction == "lower" else s >= t)]
        places = range(head * size, (head + 1) * size)
        scores = [
            combine((1 / math.sqrt(size), multiply(query[t * width + c], key[s * width + c])) for c in places)
            for s in seen
        ]
        top = max(score.value for score in scores)
        powers = [chain(score, math.exp(score.value - top), math.exp(score.value - top)) for score in scores]
        total = combine((1.0, power) for power in powers)
        shares = [divide(power, total) for power in powers]
        for c in places:
            mixed.append(
                combine((1.0, multiply(share, value[s * width + c])) for s, share in zip(seen, shares, strict=True))
            )
    return _matrix(tensors["out"], width, mixed)


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


def _maxmin(value: Tensor, dims: Sequence[int]) -> Tensor:
    """The larger of channels 2k and 2k + 1 as channel 2k, the other one as 2k + 1; channels come first but in a Seq."""
    whole = value * prod(dims) if len(value) == 1 else value
    apart = 1 if len(dims) == 2 else prod(dims[1:])  # from a channel to the next
    result = list(whole)
    for p in range(len(whole)):
        if p // apart % 2 == 0:
            pair = whole[p], whole[p + apart]
            result[p], result[p + apart] = sorted(pair, key=lambda a: a.value, reverse=True)
    return result


def _swish(value: Tensor, dims: Sequence[int], beta: float, *, twice: bool) -> Tensor:
    """silu(beta u) / beta of each element u. `twice`: divided by 1.1 * 1.004, of each channel, then of its negative, at
    each token of a Seq."""
    whole, silu = value * prod(dims) if len(value) == 1 else value, ACTIVATIONS["silu"]
    width, below = dims[-1] if len(dims) == 2 else len(whole), 1.1 * 1.004 if twice else 1.0

    def bent(sign: float, a: Dual) -> Dual:
        u = sign * beta * a.value
        return chain(a, silu.value(u) / beta / below, sign * silu.derivative(u) / below)

    tokens = (whole[t : t + width] for t in range(0, len(whole), width))
    return [bent(sign, a) for token in tokens for sign in ((1.0, -1.0) if twice else (1.0,)) for a in token]


def _convolve(
    kernel: Sequence[float],
    conv: ir.Conv,
    centre: tuple[int, int],
    x: Tensor,
    source: tuple[int, ...],
    target: tuple[int, ...],
) -> Tensor:
    """y[o, h, w] = sum of kernel[o, i, u, v] x[i, h + (u - row) down, w + (v - column) right], x zero outside.

    (row, column) = centre, (down, right) the dilation. With a circular boundary x goes on with its other side instead.
    With a stride (s, t) it is x[i, s h + (u - row) down, t w + (v - column) right].
    """
    channels, height, width = source
    size, (down, right) = conv.size, conv.dilation
    taps = [
        [
            (weight, i, (u - centre[0]) * down, (v - centre[1]) * right)
            for i, u, v in product(range(channels), range(size[0]), range(size[1]))
            if (weight := kernel[((o * channels + i) * size[0] + u) * size[1] + v])  # a masked weight is no dependency
        ]
        for o in range(target[0])
    ]
    return [
        combine(
            (weight, x[(i * height + (h + dh) % height) * width + (w + dw) % width])
            for weight, i, dh, dw in taps[o]
            if conv.circular or (0 <= h + dh < height and 0 <= w + dw < width)
        )
        for o, h, w in product(range(target[0]), range(0, height, conv.stride[0]), range(0, width, conv.stride[1]))
    ]


def activate(bound: BoundAct, argument: Tensor, watch: Watch | None = None) -> Tensor:
    """An activation at each element. ValueError outside its domain."""
    act, env = bound
    match act:
        case ir.FormalAct():
            return activate(env.look(env.acts, act.name), argument, watch)
        case ir.DefinedAct():
            result = _Formula(env, {act.variable: argument}, watch=watch).expr(act.body, {})
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
