"""What a program means, evaluated a second time: its formulas on tensors, straight from the typed core.

Written from the definitions, apart from the generator, and from the reference interpreter with which it is compared.
Every linear map is a dense matrix here, its mask is decided on pairs of places and not on taps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from random import Random

import numpy as np
import torch
from torch import Tensor

from mintdsl.core import ir
from mintdsl.core.interpret_env import BoundAct, Env, bind, bind_layer, bind_net, evaluate_size
from mintdsl.core.interpret_weights import extents
from mintdsl.core.nat import Nat
from mintdsl.core.orders import DEFAULT_ORDER, Order

from . import bends, solved, tensors
from .tensors import Field

Raw = Mapping[str, Tensor]
"""Stored tensors by their key in the state dict (names as in the program), [R, *shape]."""
Member = tuple[int, ...]

HALF = 0.5


def _above(v: Tensor) -> Tensor:
    """What is > 0 stays so where it underflows; `tensors.apply` counts the difference as an error."""
    return v.clamp(min=tensors.LEAST)


def _exp(v: Tensor) -> tuple[Tensor, Tensor]:
    return _above(torch.exp(v)), _above(torch.exp(v))


def _elu(v: Tensor) -> tuple[Tensor, Tensor]:
    low = v.clamp(max=0.0)
    return torch.where(v > 0, v, torch.expm1(low)), _above(torch.exp(low))


def _softplus(v: Tensor) -> tuple[Tensor, Tensor]:
    return _above(v.clamp(min=0.0) + torch.log1p(torch.exp(-v.abs()))), _above(torch.sigmoid(v))


def _tanh(v: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tanh(v), _above(4 * torch.sigmoid(2 * v) * torch.sigmoid(-2 * v))


def _sigmoid(v: Tensor) -> tuple[Tensor, Tensor]:
    return _above(torch.sigmoid(v)), _above(torch.sigmoid(v) * torch.sigmoid(-v))


def _gelu(v: Tensor) -> tuple[Tensor, Tensor]:
    share = HALF * torch.erfc(-v / math.sqrt(2))
    density = torch.exp(-HALF * v * v) / math.sqrt(2 * math.pi)
    return v * share, share + tensors.times(v, density)


def _silu(v: Tensor) -> tuple[Tensor, Tensor]:
    s = torch.sigmoid(v)
    return tensors.times(v, s), s + tensors.times(v, s * torch.sigmoid(-v))


def _logit(v: Tensor) -> tuple[Tensor, Tensor]:
    return torch.log(v) - torch.log1p(-v), 1 / (v * (1 - v))


ACTS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "identity": lambda v: (v, torch.ones_like(v)),
    "exp": _exp,
    "log": lambda v: (torch.log(v), 1 / v),
    "abs": lambda v: (v.abs(), 2.0 * (v > 0).to(v.dtype) - 1.0),
    "elu": _elu,
    "relu": lambda v: (v.clamp(min=0.0), (v > 0).to(v.dtype)),
    "leaky_relu": lambda v, a: (torch.where(v > 0, v, a * v), torch.full_like(v, a).masked_fill(v > 0, 1.0)),
    "softplus": _softplus,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "logit": _logit,
    "gelu": _gelu,
    "silu": _silu,
    "sin": lambda v: (torch.sin(v), torch.cos(v)),
}
KINKS = {"abs": (0.0,), "relu": (0.0,), "leaky_relu": (0.0,)}

TINY = 2.0**-20
CONSTRAINED: dict[tuple[str, str], Callable[..., Tensor]] = {
    (">=", "softplus"): lambda r, m: m + _softplus(r)[0],
    (">=", "abs"): lambda r, m: r.abs().clamp(min=m),
    (">=", "exp"): lambda r, m: m + torch.exp(r.clamp(-60, 60)),
    ("> 0", "softplus"): lambda r: TINY + _softplus(r)[0],
    ("> 0", "exp"): lambda r: torch.exp(r.clamp(-60, 60)),
    (">= 0", "abs"): lambda r: r.abs(),
    (">= 0", "square"): lambda r: r * r,
    ("!= 0", "signed"): lambda r: TINY + _softplus(r)[0],
    ("!= 0", "raw"): lambda r: r,
    ("!= 0", "signed_exp"): lambda r: torch.exp(r.clamp(-60, 60)),
    ("== 1", "unit"): lambda r: torch.ones_like(r),
    ("== 1", "softplus"): lambda r: (v := TINY + _softplus(r)[0]) / v.norm(dim=-1, keepdim=True),
    **{("<=", via): lambda r, c: r.clamp(-c, c) for via in ("spectral", "rows", "columns")},
    (">= <=", "sigmoid"): lambda r, m, top: (m + (top - m) * torch.sigmoid(r)).clamp(m, top),
}
SIGNED = {"signed", "signed_exp"}


# ---------------------------------------------------------------- weights


@dataclass
class Weights:
    """The effective values of one layer's or net's parameters, every one as its definition says."""

    layer: ir.Layer | ir.Net
    env: Env
    raw: Raw
    prefix: str = ""
    made: dict[tuple[str, Member], Tensor] = field(default_factory=dict)
    places: list[tuple[int, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.places = list(product(*map(range, self.env.dims)))

    def order(self) -> Order:
        """The order of the layer."""
        order = self.layer.order
        found = self.env.orders[order.name] if isinstance(order, ir.FormalOrder) else order
        if len(found.rows[0]) != len(self.env.dims):  # `on S`: no map reads another place there
            found = DEFAULT_ORDER[{1: "Vec", 2: "Seq", 3: "Image"}[len(self.env.dims)]]
        return found

    def keys(self, order: Order | None = None) -> list[tuple[int, ...]]:
        """The key of every place in the order of the layer, or in another one."""
        rows = self.order().rows if order is None else order.rows
        return [tuple(sum(a * b for a, b in zip(row, p, strict=True)) for row in rows) for p in self.places]

    def later(self, order: Order | None = None) -> Tensor:
        """Whether place p comes after place q: a matrix [p, q]. Of a layer in parts: in a later part."""
        split = self.layer.split if isinstance(self.layer, ir.Layer) else None
        keys = self.keys(order) if split is None else [(k,) for k in part_of_each(split, self.env)]
        return torch.tensor([[p > q for q in keys] for p in keys])

    def stored(self, name: str, member: Member) -> Tensor:
        """The raw tensor of one member of a family, [R, *shape of its map]."""
        return self.raw[self.prefix + name][(slice(None), *member)]

    def slots(self, param: ir.Param) -> list[int]:
        """For each place of the target, the entry of the stored diagonal that stands there."""
        dims = self.env.shape(param.target)
        places = list(product(*map(range, dims)))
        if isinstance(param.kind, ir.Elementwise) and param.kind.per == "element":
            return list(range(len(places)))
        return [p[0] if len(dims) == 3 else p[-1] for p in places]

    def diagonal(self, name: str, member: Member) -> Tensor:
        """The values of a scale, or the diagonal of a masked map, [R, D]."""
        place = (f"diag {name}", member)
        if place not in self.made:
            self.made[place] = self._diagonal(self.layer.param(name), member)
        return self.made[place]

    def _diagonal(self, param: ir.Param, member: Member) -> Tensor:
        raw = self.stored(param.name, member)
        match param.kind:
            case ir.Elementwise():
                own = raw.flatten(1)
            case ir.Conv() as conv:
                row, column = self.anchor(conv)
                own = raw[..., row, column].diagonal(dim1=-2, dim2=-1)
            case ir.Dense():
                own = raw.diagonal(dim1=-2, dim2=-1)
            case _:
                raise AssertionError(param)
        slots = self.slots(param)
        own = own[:, slots]
        if param.pivot is not None:
            renamed = dict(zip(param.pivot.indices, member, strict=True))
            own = own.abs() * param.pivot.sign
            for other in param.pivot.others:
                own = own * self.diagonal(other.name, tuple(renamed[i] for i in other.indices)).sign()
            return own
        if param.bound is None:
            return own
        value = CONSTRAINED[param.bound.cmp, param.bound.via](own, *self.limits(param.bound))
        if param.bound.via in SIGNED:
            signs = self.stored(f"{param.name}_sign", member).flatten(1)
            value = value * signs[:, slots]
        return value

    def limits(self, bound: ir.Bound) -> tuple[float, ...]:
        """The numbers of a constraint; a formal may give one."""
        return (self.env.numbers[bound.formal],) if bound.formal else bound.numbers

    def scaled(self, param: ir.Param, raw: Tensor) -> Tensor:
        """The stored numbers [R, ...] of a map of bounded norm: the norm is that of all singular values on a torus."""
        assert param.bound is not None
        (limit,), matrices = self.limits(param.bound), raw
        if param.bound.via in ("rows", "columns"):
            return raw * self._kept(limit, self._sums(param, raw) * (1 + 2.0**-30))
        if isinstance(param.kind, ir.Conv):
            sizes = self.env.shape(param.source)[1:]
            if param.kind.stride != (1, 1):
                return raw * self._kept(limit, self._strided_norms(param, param.kind, raw))
            if not param.kind.circular:
                sizes = tuple(n + taps - 1 for n, taps in zip(sizes, param.kind.size, strict=True))
            torus = raw.new_zeros(*raw.shape[:3], *sizes)
            apart = param.kind.dilation if param.kind.circular else (1, 1)
            for u, v in product(*map(range, param.kind.size)):
                torus[..., u * apart[0] % sizes[0], v * apart[1] % sizes[1]] += raw[..., u, v]
            matrices = torch.fft.fft2(torus).movedim((1, 2), (3, 4))
        return raw * self._kept(limit, _schatten(matrices)).reshape(-1, *[1] * (raw.dim() - 1))

    def _kept(self, limit: float, norms: Tensor) -> Tensor:
        """The factors that scale maps of these norms down to the limit."""
        return limit / norms.clamp(min=limit)

    def _sums(self, param: ir.Param, raw: Tensor) -> Tensor:
        """Of each output, or each input, the sum of absolute values: that of its row or column in the dense matrix of
        a large image, where all taps lie inside.
        """
        if param.bound is not None and param.bound.via == "rows":
            return raw.abs().flatten(2).sum(2).reshape(*raw.shape[:2], *[1] * (raw.dim() - 2))
        if not isinstance(param.kind, ir.Conv) or param.kind.stride == (1, 1):
            return raw.abs().movedim(1, -1).flatten(2).sum(2).reshape(len(raw), 1, -1, *[1] * (raw.dim() - 3))
        found = torch.zeros(len(raw), raw.shape[2], *param.kind.stride, dtype=raw.dtype)
        row, column = self.anchor(param.kind)
        (down, right), (s, t) = param.kind.dilation, param.kind.stride
        for u, v in product(*map(range, param.kind.size)):  # the phase of the pixel that this tap reads
            found[:, :, (u - row) * down % s, (v - column) * right % t] += raw[..., u, v].abs().sum(1)
        return found.flatten(2).amax(2)[:, None, :, None, None]

    def _strided_norms(self, param: ir.Param, conv: ir.Conv, raw: Tensor) -> Tensor:
        """Of a kernel that skips pixels: those of the pixels at one place of every tile are channels of their own."""
        (row, column), (s, t) = self.anchor(conv), conv.stride
        rows, columns = (
            [(k - a) * d for k in range(n)] for n, a, d in zip(conv.size, (row, column), conv.dilation, strict=True)
        )
        top, left = min(rows) // s, min(columns) // t
        tall, wide = max(rows) // s - top, max(columns) // t - left
        height, width = self.env.shape(param.target)[1:]
        torus = raw.new_zeros(*raw.shape[:3], s, t, height + tall, width + wide)
        for (u, dh), (v, dw) in product(enumerate(rows), enumerate(columns)):
            torus[..., dh % s, dw % t, dh // s - top, dw // t - left] = raw[..., u, v]
        found = torch.fft.fft2(torus).flatten(2, 4)  # [R, O, I s t, height, width]
        return _schatten(found.movedim((1, 2), (3, 4))).reshape(-1, 1, 1, 1, 1)

    def anchor(self, conv: ir.Conv) -> tuple[int, int]:
        """The tap that meets the pixel itself."""
        if conv.anchor != "corner":
            return conv.anchor
        rows, columns = conv.size
        return (rows - 1, columns - 1) if self.direction(conv.direction or "") == "lower" else (0, 0)

    def direction(self, word: str) -> str:
        """`lower` or `upper`."""
        return word if word in ("lower", "upper") else self.env.directions[word]

    def matrix(self, name: str, member: Member) -> Tensor:
        """A map as a dense matrix, [R, places of the target, places of the source]."""
        place = (name, member)
        if place not in self.made:
            self.made[place] = self._matrix(self.layer.param(name), member)
        return self.made[place]

    def factored(self, param: ir.Param) -> Tensor:
        """The square matrix that stored factors stand for, [R, n, n]; of a kernel that at its anchor."""
        assert param.bound is not None
        raw = self.at_anchor(param)
        if param.bound.via == "raw":
            return raw
        own = TINY + _softplus(raw.diagonal(dim1=-2, dim2=-1))[0]
        own = torch.ones_like(own) if param.bound.cmp == "== 1" or param.bound.via == "dominant" else own
        signs = self.raw.get(f"{self.prefix}{param.name}_sign")
        diagonal = torch.diag_embed(own if signs is None else own * signs)
        eye = torch.eye(raw.shape[-1], dtype=raw.dtype)
        lower, upper = torch.tril(raw, -1), torch.triu(raw, 1) + diagonal
        match param.bound.via:
            case "lower" | "unit_lower":
                return lower + diagonal
            case "upper" | "unit_upper":
                return upper
            case "plu":
                rows = self.stored(f"{param.name}_order", ()).long()
                return torch.stack([m[k] for m, k in zip((lower + eye) @ upper, rows, strict=True)])
            case _:
                return _reflected(lower, upper if param.bound.via == "qr" else diagonal, raw.shape[-1] - 1)

    def low_rank(self, param: ir.Param) -> tuple[Tensor, Tensor]:
        """I + U V of a map with a rank, [R, n, n], and the sizes of the terms that it is made of."""
        assert param.bound is not None
        first, second = self.stored(param.name, ()).unbind(1)  # [R, d, n]
        eye, d = torch.eye(first.shape[-1], dtype=first.dtype), first.shape[1]
        if param.bound.via == "raw":
            return eye + first.mT @ second, eye + first.abs().mT @ second.abs()
        own = TINY + _softplus(second.diagonal(dim1=1, dim2=2))[0]
        diagonal = torch.diag_embed(own * self.raw[f"{self.prefix}{param.name}_sign"])
        corner = second[..., :d]
        corner = _reflected(torch.tril(corner, -1), torch.triu(corner, 1) + diagonal, d - 1)
        inner = torch.cat((torch.cat((corner, second[..., d:]), -1), eye[d:].expand(len(first), -1, -1)), 1)
        half = _reflected(first.mT.tril(-1), inner, d).mT
        sizes = first.shape[-1] * inner.abs().amax((1, 2), keepdim=True)
        return _reflected(first.mT.tril(-1), half, d).mT, sizes.expand_as(inner)

    def at_anchor(self, param: ir.Param) -> Tensor:
        """The stored numbers of a square matrix, [R, n, n]; of a kernel those at its anchor."""
        raw = self.stored(param.name, ())
        if not isinstance(param.kind, ir.Conv):
            return raw
        row, column = self.anchor(param.kind)
        return raw[..., row, column]

    def around(self, param: ir.Param, matrix: Tensor, other: Tensor) -> Tensor:
        """`matrix` as the whole of a map: `other` has the other taps of a kernel."""
        if not isinstance(param.kind, ir.Conv):
            return matrix
        if ranked(param):
            return matrix[..., None, None]
        row, column = self.anchor(param.kind)
        whole = other.clone()
        whole[..., row, column] = matrix
        return whole

    def subdued(self, param: ir.Param, raw: Tensor) -> Tensor:
        """The taps beside the anchor, scaled until their norms, of order 256, add up to 1/2 at most."""
        assert isinstance(param.kind, ir.Conv)
        other = self.around(param, torch.zeros_like(raw[..., 0, 0]), raw)
        values = torch.linalg.svdvals(other.flatten(3).movedim(-1, 1))  # [R, taps, n]
        most = values.amax(-1, keepdim=True).clamp(min=1e-290)
        sizes = ((values / most) ** 256).sum(-1) ** (1 / 256) * most[..., 0] * (1 + 2**-30)
        return raw * (0.5 / sizes.sum(-1).clamp(min=0.5)).reshape(-1, 1, 1, 1, 1)

    def terms(self, param: ir.Param) -> Tensor:
        """The sizes of the terms that the entries of a matrix of factors are made of, [R, n, n]."""
        assert param.bound is not None
        if ranked(param):
            return self.low_rank(param)[1]
        raw, own = self.at_anchor(param).abs(), self.factored(param).abs()
        n = raw.shape[-1]
        match param.bound.via:
            case "plu":
                eye = torch.eye(n, dtype=raw.dtype)
                rows = self.stored(f"{param.name}_order", ()).long()
                # softplus is at most 1 above |r|
                sizes = (torch.tril(raw, -1) + eye) @ (torch.triu(raw) + 2 * eye)
                return torch.stack([m[k] for m, k in zip(sizes, rows, strict=True)])
            case "qr" | "householder" | "dominant":
                return n * own.amax(1, keepdim=True).expand_as(own)
            case _:
                return own

    def moves(self, param: ir.Param) -> Tensor:
        """A permutation as a matrix, the same for all draws."""
        assert isinstance(param.kind, ir.Perm)
        dims = self.env.shape(param.source)
        axis = {"time": 0, "channel": len(dims) - 1 if len(dims) == 2 else 0, "all": -1}[param.kind.axis]
        order = list(range(math.prod(dims) if axis < 0 else dims[axis]))
        uniform = Random(param.kind.seed)
        for last in range(len(order) - 1, 0, -1):
            other = int(uniform.random() * (last + 1))
            order[last], order[other] = order[other], order[last]
        places = list(product(*map(range, dims)))
        if axis < 0:
            index = order
        else:
            index = [places.index((*p[:axis], order[p[axis]], *p[axis + 1 :])) for p in places]
        return torch.eye(len(places), dtype=torch.float64)[index].unsqueeze(0)

    def _matrix(self, param: ir.Param, member: Member) -> Tensor:
        kind = param.kind
        if isinstance(kind, ir.Perm):
            return self.moves(param)
        assert isinstance(kind, (ir.Conv, ir.Dense))
        raw = self.stored(param.name, member)
        if param.factored:
            other = self.subdued(param, raw) if param.bound is not None and param.bound.via == "dominant" else raw
            matrix = self.low_rank(param)[0] if ranked(param) else self.factored(param)
            raw = self.around(param, matrix, other)
        full = self.expanded(param, self.scaled(param, raw) if param.limited else raw)
        if kind.direction is None:
            return full
        if isinstance(self.layer, ir.Net):
            return full.masked_fill(~self.read(param, kind), 0.0)
        later = self.later()
        kept = later if self.direction(kind.direction) == "lower" else later.T
        full = full.masked_fill(~kept, 0.0)
        return full if kind.strict else full + torch.diag_embed(self.diagonal(param.name, member))

    def read(self, param: ir.Param, kind: ir.Dense | ir.Conv) -> Tensor:
        """Which units [target, source] a masked matrix of a net reads: unit k of a hidden space has the degree
        1 + k mod (n - 1), as in MADE, and the units of one with degrees of its own stand at the inputs in turn, as many
        at each; reversed for upper.
        """
        assert kind.direction is not None
        n, mirrored = self.env.dims[0], self.direction(kind.direction) == "upper"

        def places(shape: ir.Shape) -> list[int]:
            count = self.env.shape(shape)[0]
            if shape == self.layer.shape:
                return [n - 1 - k if mirrored else k for k in range(count)]
            if shape.each is not None:
                share = evaluate_size(shape.each, self.env.sizes)
                return [(n - 1 - k // share) if mirrored else k // share for k in range(count)]
            return [k % max(n - 1, 1) for k in range(count)]

        targets, sources = places(param.target), places(param.source)
        return torch.tensor([[p > q or (p == q and not kind.strict) for q in sources] for p in targets])

    def expanded(self, param: ir.Param, raw: Tensor) -> Tensor:
        """The stored numbers of a map, without its mask, as a dense matrix."""
        kind = param.kind
        assert isinstance(kind, (ir.Conv, ir.Dense))
        targets = list(product(*map(range, self.env.shape(param.target))))
        sources = list(product(*map(range, self.env.shape(param.source))))
        if isinstance(kind, ir.Dense):
            alone = torch.eye(len(sources) // raw.shape[2], dtype=raw.dtype)  # each token by itself, a vector is one
            full = torch.einsum("ts,roi->rtosi", alone, raw).reshape(len(raw), len(targets), len(sources))
        else:
            row, column = self.anchor(kind)
            full = torch.zeros(len(raw), len(targets), len(sources), dtype=raw.dtype)
            places = {place: k for k, place in enumerate(sources)}
            _, height, width = self.env.shape(param.source)
            for t, (o, h, w) in enumerate(targets):
                for i, u, v in product(range(raw.shape[2]), *map(range, kind.size)):
                    hh, ww = kind.stride[0] * h, kind.stride[1] * w
                    hh, ww = hh + (u - row) * kind.dilation[0], ww + (v - column) * kind.dilation[1]
                    if kind.circular:
                        hh, ww = hh % height, ww % width
                    if (i, hh, ww) in places:
                        full[:, t, places[i, hh, ww]] += raw[:, o, i, u, v]
        return full

    def members(self, indices: tuple[str, ...]) -> Iterator[Member]:
        """All values of indices."""
        return product(*map(range, extents(self.layer, indices, self.env.sizes)))


# ---------------------------------------------------------------- formulas


@dataclass
class Formula:
    """A formula at many inputs, under many draws of weights. `watch` sees the value of every node of a layer."""

    env: Env
    x: Field
    weights: Weights | None = None
    watch: Callable[[ir.Expr, Mapping[str, int], Field], None] | None = None
    parts: Mapping[str, Field] = field(default_factory=dict)
    lets: dict[tuple[str, Member], Field] = field(default_factory=dict)

    def layer(self) -> Field:
        """The whole layer."""
        assert self.weights is not None
        layer = self.weights.layer
        split = layer.split if isinstance(layer, ir.Layer) else None
        own = [] if split is None else part_of_each(split, self.env)
        if split is not None:
            masked = split.functional is not None
            places = [[p for p, part in enumerate(own) if part == k or masked] for k in range(len(split.parts))]
            self.parts = {name: tensors.taken(self.x, at) for name, at in zip(split.parts, places, strict=True)}
        if isinstance(layer, ir.Net) and layer.extern:
            return self._stand_in(self.weights)
        self._lets(self.weights)
        if not isinstance(layer, ir.Layer) or not isinstance(layer.result, ir.Join):
            return self._full(self.expr(ir.formulas(layer)[-1], {}))
        found = [
            self._like(self.expr(part, {}), self.parts[name])
            for (name, _), part in zip(layer.results, layer.result.parts, strict=True)
        ]
        counts = [0] * len(found)
        pieces = []
        for p, k in enumerate(own):
            pieces.append(tensors.taken(found[k], [p if masked else counts[k]]))
            counts[k] += 1
        return tensors.stacked(pieces)

    def results(self) -> list[Field]:
        """All results of a net, each of its shape."""
        assert self.weights is not None and isinstance(self.weights.layer, ir.Net)
        if self.weights.layer.extern:
            both = self._stand_in(self.weights)
            size = both.value.shape[-1] // len(self.weights.layer.targets)
            return [tensors.taken(both, range(k, k + size)) for k in range(0, both.value.shape[-1], size)]
        self._lets(self.weights)
        found = [self.expr(result, {}) for result in self.weights.layer.results]
        sizes = [math.prod(self.env.shape(target)) for target in self.weights.layer.targets]
        return [
            tensors.add(one, tensors.constant(torch.zeros_like(self.x.value[:, :1, :1]).expand(-1, -1, size), self.x))
            for one, size in zip(found, sizes, strict=True)
        ]

    def _stand_in(self, weights: Weights) -> Field:
        """tanh(write tanh(read x)): what takes the place of the module behind an extern net."""
        x = self.x
        for name in ("module.read", "module.write"):
            x = tensors.apply(tensors.linear(weights.stored(name, ()), x), _tanh)
        return x

    def _lets(self, weights: Weights) -> None:
        for let in weights.layer.lets:
            for member in weights.members(let.indices):
                at = dict(zip(let.indices, member, strict=True))
                self.lets[let.name, member] = self.expr(let.value, at)

    def _like(self, found: Field, other: Field) -> Field:
        return tensors.add(found, tensors.constant(torch.zeros_like(other.value[:, :1]), other))

    def _full(self, found: Field) -> Field:
        return tensors.add(found, tensors.constant(torch.zeros_like(self.x.value[:, :1]), self.x))

    def expr(self, node: ir.Expr, at: Mapping[str, int]) -> Field:
        """The value of a node where the indices are `at`."""
        result = self._expr(node, at)
        if self.watch is not None:
            self.watch(node, at, result)
        return result

    def _expr(self, node: ir.Expr, at: Mapping[str, int]) -> Field:
        match node:
            case ir.Var(name=name):
                return self.parts.get(name, self.x)
            case ir.Spread(arg=arg):
                assert self.weights is not None and isinstance(self.weights.layer, ir.Layer)
                split = self.weights.layer.split
                assert split is not None
                kept = [float(k == split.parts.index(arg.name)) for k in part_of_each(split, self.env)]
                mask = torch.tensor(kept, dtype=self.x.value.dtype).expand_as(self.x.value[:, :1])
                return tensors.multiply(self.parts[arg.name], tensors.exact(mask, self.x))
            case ir.Pick():
                return self.expr(node.arg, at)
            case ir.Given():
                assert self.env.given is not None
                values = torch.tensor(self.env.given.values, dtype=self.x.value.dtype)
                return tensors.constant(values[None, None], self.x)
            case ir.Scalar(value=value):
                return tensors.constant(torch.full_like(self.x.value[:, :1, :1], self._number(value)), self.x)
            case ir.Value(param=name):
                return tensors.constant(self._values(name, _member(node.indices, at)).unsqueeze(1), self.x)
            case ir.Ref():
                return self.lets[node.name, _member(node.indices, at)]
            case ir.Linear():
                return self._linear(node, self.expr(node.arg, at), _member(node.indices, at))
            case ir.Exponential(param=name):
                return self._exponential(name, self.expr(node.arg, at))
            case ir.Cayley(branch=branch):
                return self._cayley(branch)
            case ir.Apply():
                return activate(BoundAct(node.act, self.env), self.expr(node.arg, at))
            case ir.Neg():
                return tensors.negate(self.expr(node.arg, at))
            case ir.Binary(op=op):
                left, right = self.expr(node.left, at), self.expr(node.right, at)
                match op:
                    case "+":
                        return tensors.add(left, right)
                    case "-":
                        return tensors.add(left, tensors.negate(right))
                    case "*":
                        return tensors.multiply(left, right)
                    case _:
                        return tensors.multiply(left, tensors.reciprocal(right))
            case ir.Sum(indices=indices):
                assert self.weights is not None
                total = None
                for member in self.weights.members(indices):
                    term = self.expr(node.body, {**at, **dict(zip(indices, member, strict=True))})
                    total = term if total is None else tensors.add(total, term)
                assert total is not None
                return total
            case ir.Bend(arg=arg):
                raw = [self.expr(one, at) for one in node.params]
                dims = self.env.shape(node.shape)
                whole = self.expr(arg, at)
                full = tensors.constant(torch.zeros((1, 1, math.prod(dims)), dtype=whole.value.dtype), whole)
                return bends.bent(node.bijection, tensors.add(whole, full), raw, dims, node.options)
            case ir.Call(param=name, args=args):
                assert self.weights is not None
                kind = self.weights.layer.param(name).kind
                assert isinstance(kind, ir.NetParam)
                inside = Weights(kind.net, bind_net(kind, self.env), self.weights.raw, f"{self.weights.prefix}{name}.")
                given = [self._placed(self.expr(arg, at), s) for arg, s in zip(args, kind.sources, strict=True)]
                named = {own: one for (own, _), one in zip(kind.net.inputs, given, strict=True)}
                return Formula(inside.env, next(iter(named.values())), inside, parts=named).results()[node.output]
            case ir.Chain(param=name, index=index):
                assert self.weights is not None
                kind, passed = self.weights.layer.param(name).kind, self.expr(node.arg, at)
                assert isinstance(kind, ir.NetParam)
                ((own, _),) = kind.net.inputs
                for (member,) in self.weights.members((index,)):
                    prefix = f"{self.weights.prefix}{name}.{member}."
                    inside = Weights(kind.net, bind_net(kind, self.env), self.weights.raw, prefix)
                    passed = Formula(inside.env, passed, inside, parts={own: passed}).results()[0]
                return passed
            case ir.Concat(args=args, shapes=shapes):  # channels come first in an Image and in a Vec
                parts = [self._placed(self.expr(a, at), s) for a, s in zip(args, shapes, strict=True)]
                dims = [self.env.shape(s) for s in shapes]
                pixels = max(math.prod(own[1:]) for own in dims)  # of a Vec beside images the same values at each
                beside = [
                    p if len(own) > 1 else tensors.taken(p, [k for k in range(own[0]) for _ in range(pixels)])
                    for p, own in zip(parts, dims, strict=True)
                ]
                if node.weights:
                    numbers = self._values(node.weights, ()).unsqueeze(1).unsqueeze(-1).unbind(2)
                    weights = [tensors.constant(w, self.x) for w in numbers]
                    beside = [tensors.multiply(w, part) for w, part in zip(weights, beside, strict=True)]
                return tensors.stacked(beside)
            case ir.MaxMin(arg=arg, shape=shape):
                dims = self.env.shape(shape)
                apart = math.prod(dims[1:])  # channels come first in an Image and in a Vec
                first = [p for p in range(math.prod(dims)) if p // apart % 2 == 0]
                return tensors.sorted_pairs(self._placed(self.expr(arg, at), shape), first, [p + apart for p in first])
            case ir.Swish(arg=arg, source=source, beta=beta, twice=twice):
                u = self._placed(self.expr(arg, at), source)
                b = self._values(beta, ()).unsqueeze(1) if beta else torch.ones((1, 1, 1), dtype=u.value.dtype)
                turned = tensors.multiply(tensors.constant(b, u), u)
                pairs = [(u, turned), (tensors.negate(u), tensors.negate(turned))] if twice else [(u, turned)]
                bent = [tensors.multiply(a, tensors.apply(t, ACTS["sigmoid"])) for a, t in pairs]
                if not twice:
                    return bent[0]
                both = tensors.stacked(bent)
                factor = torch.full((1, 1, 1), 1 / (1.1 * 1.004), dtype=u.value.dtype)
                return tensors.multiply(both, tensors.constant(factor, u))
            case ir.Inline(param=name):
                assert self.weights is not None
                used = self.weights.layer.param(name).kind
                assert isinstance(used, ir.LayerParam)
                inner = Weights(
                    used.layer, bind_layer(used, self.env), self.weights.raw, f"{self.weights.prefix}{name}."
                )
                return Formula(inner.env, self.expr(node.arg, at), inner).layer()
            case _:
                raise AssertionError(node)

    def _placed(self, field: Field, shape: ir.Shape) -> Field:
        """With a value for each element of this shape."""
        zeros = torch.zeros((1, 1, math.prod(self.env.shape(shape))), dtype=field.value.dtype)
        return tensors.add(field, tensors.constant(zeros, field))

    def _number(self, value: float | Nat | str) -> float:
        match value:
            case Nat():
                return float(evaluate_size(value, self.env.sizes))
            case str():
                return self.env.numbers[value]
            case _:
                return float(value)

    def _values(self, name: str, member: Member) -> Tensor:
        assert self.weights is not None
        param = self.weights.layer.param(name)
        assert isinstance(param.kind, ir.Elementwise)
        if param.kind.kind == "bias":
            return self.weights.stored(name, member).flatten(1)[:, self.weights.slots(param)]
        return self.weights.diagonal(name, member)

    def _linear(self, node: ir.Linear, argument: Field, member: Member) -> Field:
        assert self.weights is not None
        param = self.weights.layer.param(node.param)
        if isinstance(param.kind, ir.Normalize):
            slots = self.weights.slots(param)
            mean = self.weights.stored(f"{param.name}_mean", member).flatten(1)[:, slots].unsqueeze(1)
            var = self.weights.stored(f"{param.name}_var", member).flatten(1)[:, slots].unsqueeze(1)
            factor = tensors.constant((var.clamp(min=0.0) + param.kind.eps).rsqrt(), self.x)
            return tensors.multiply(tensors.add(argument, tensors.constant(-mean, self.x)), factor)
        result = tensors.linear(self.weights.matrix(node.param, member), argument)
        if not param.factored:
            return result if (largest := self._wrapped(param, member)) is None else _rounded(result, largest, argument)
        stored = self.weights.stored(param.name, ()).abs()
        terms = self.weights.expanded(param, self.weights.around(param, self.weights.terms(param), stored))
        return _rounded(result, terms, argument)

    def _wrapped(self, param: ir.Param, member: Member) -> Tensor | None:
        """The sizes of the taps of a circular kernel: those that meet on a small image may cancel."""
        assert self.weights is not None
        if not isinstance(param.kind, ir.Conv) or not param.kind.circular:
            return None
        raw = self.weights.stored(param.name, member)
        return self.weights.expanded(param, (self.weights.scaled(param, raw) if param.limited else raw).abs())

    def _exponential(self, name: str, argument: Field) -> Field:
        """exp(M) of an argument; the terms of its series are as large as those of exp(|M|).

        Where M is scaled down to its limit, that is known up to 1e-13 of it: its derivative is at most |M| exp(|M|).
        """
        assert self.weights is not None
        matrix = self.weights.matrix(name, ())
        result = tensors.linear(_power_series(matrix), argument)
        wrapped = self._wrapped(self.weights.layer.param(name), ())
        sizes = matrix.abs() if wrapped is None else wrapped
        largest = _power_series(sizes)
        scaled = torch.einsum("red,rbd->rbe", sizes @ largest, argument.value.abs())
        return _rounded(replace(result, error=result.error + 1e-13 * scaled), 4 * largest, argument)

    def _cayley(self, branch: ir.Expr) -> Field:
        """2 w - x with w + g(w) = x, within the tolerance that the module keeps."""

        def half(at: Field) -> Field:
            there = Formula(self.env, at, self.weights)
            return tensors.add(at, there.expr(branch, {}))

        middle = undone(half, self.x, 1e-11 if tensors.EPS < 1e-9 else 1e-5)
        return tensors.add(tensors.add(middle, middle), tensors.negate(self.x))


def _rounded(result: Field, largest: Tensor, argument: Field) -> Field:
    """A map applied, with the error that goes with terms of these sizes, [R, E, D]."""
    rounded = torch.einsum("red,rbd->rbe", largest, argument.value.abs())
    return replace(result, error=result.error + 16 * tensors.EPS * largest.shape[-1] * rounded)


def _power_series(matrix: Tensor) -> Tensor:
    """exp(M) of matrices [R, n, n] of norms of a few units.

    torch.linalg.matrix_exp (2.13) is off by up to 2e-10 where the norm lies between 0.01 and 0.05.
    """
    total = term = torch.eye(matrix.shape[-1], dtype=matrix.dtype).expand_as(matrix)
    for k in range(1, 100):
        term = term @ matrix / k
        total = total + term
    return total


def ranked(param: ir.Param) -> bool:
    """Whether a map is stored as U and V."""
    return isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.rank is not None


def _schatten(matrices: Tensor) -> Tensor:
    """The largest norm, [R], of matrices [R, *, m, n]: that of all singular values, of order 256."""
    values = torch.linalg.svdvals(matrices)
    most = values.amax(-1, keepdim=True).clamp(min=1e-290)
    norms = ((values / most) ** 256).sum(-1) ** (1 / 256) * most[..., 0] * (1 + 2**-30)
    return norms.flatten(1).amax(1) if norms.dim() > 1 else norms


def _reflected(below: Tensor, found: Tensor, count: int) -> Tensor:
    """H_1 ... H_count times matrices [R, n, m]: H_k reflects at 1 at place k, then what column k of `below` has."""
    vectors = below + torch.eye(*below.shape[-2:], dtype=below.dtype)
    for k in reversed(range(count)):
        v = vectors[:, :, k : k + 1]
        v = v / v.norm(dim=1, keepdim=True)
        found = found - 2 * v @ (v.mT @ found)
    return found


def _member(indices: tuple[str, ...], at: Mapping[str, int]) -> Member:
    return tuple(at[i] for i in indices)


def activate(bound: BoundAct, argument: Field) -> Field:
    """An activation, elementwise."""
    act, env = bound
    match act:
        case ir.FormalAct():
            return activate(env.acts[act.name], argument)
        case ir.DefinedAct():
            result = Formula(env, argument).expr(act.body, {})
            return tensors.add(result, tensors.constant(torch.zeros_like(argument.value[:, :1]), argument))
        case _:
            options = [env.numbers[o] if isinstance(o, str) else o for o in act.options]
            return tensors.apply(argument, lambda v: ACTS[act.name](v, *options), KINKS.get(act.name, ()))


def part_of_each(split: ir.Split, env: Env) -> list[int]:
    """For each place, row-major, the number of the part that it belongs to."""
    count, dims = len(split.parts), env.dims
    start = evaluate_size(split.start, env.sizes, 0)
    axis = 0 if len(dims) == 3 else len(dims) - 1
    found = []
    for index in product(*map(range, dims)):
        if split.functional is not None:
            residue = sum(a * i for a, i in zip(split.functional, (*index, 1), strict=True))
        elif split.how == "strided":
            residue = index[axis]
        else:
            residue = index[axis] * count // dims[axis]
        found.append((residue - start) % count)
    return found


# ---------------------------------------------------------------- flows


@dataclass(frozen=True)
class Used:
    """A layer of a flow: the prefix of its keys, its definition, its environment, and the program that it is of."""

    prefix: str
    layer: ir.Layer
    env: Env
    program: ir.Program = field(repr=False)


def uses(program: ir.Program, definition: ir.Definition, env: Env, prefix: str = "") -> list[Used]:
    """Every layer below a definition: steps as in the text, copies of a step side by side.

    After a layer come those that its formula applies.
    """
    return [u for u in _below(program, definition, env, prefix) if isinstance(u, Used)]


@dataclass(frozen=True)
class FieldUse:
    """The field of a continuous flow: the prefix of its keys, its net and its environment."""

    prefix: str
    net: ir.Net
    env: Env


def fields_of(program: ir.Program, definition: ir.Definition, env: Env) -> list[FieldUse]:
    """Every field of a continuous flow below a definition, in the same order."""
    return [u for u in _below(program, definition, env, "") if isinstance(u, FieldUse)]


def _below(program: ir.Program, definition: ir.Definition, env: Env, prefix: str) -> list[Used | FieldUse]:
    if isinstance(definition, ir.Layer):
        own: list[Used | FieldUse] = [Used(prefix, definition, env, program)]
        for param, use in ir.applied_layers(definition):
            own += _below(program, use.layer, bind_layer(use, env), f"{prefix}{param.name}.")
        return own
    found: list[Used | FieldUse] = []
    _walk(program, definition.steps, env, prefix, [()], env.dims, found)
    return found


def _walk(program, steps, env, prefix, copies, dims, found):  # type: ignore[no-untyped-def]
    for step in steps:
        match step.op:
            case ir.Use(definition=key, args=args):
                callee = program.definitions[key]
                inner = bind(callee, dims, dict(args), env)
                for copy in copies:
                    found += _below(program, callee, inner, prefix + ".".join([step.name, *map(str, copy)]) + ".")
                dims = leaves(program, callee, inner)
            case ir.Repeat(count=count, steps=block):
                more = [(*copy, k) for copy in copies for k in range(evaluate_size(count, env.sizes))]
                _walk(program, block, env, prefix, more, dims, found)
            case ir.Pair(steps=block):
                dims = _walk(program, block, env, prefix, copies, dims, found)
            case ir.FactorOut():
                dims = halves(dims)[0]
            case ir.Ode(field=kind):
                paths = [prefix + ".".join([step.name, *map(str, copy)]) for copy in copies]
                found += [FieldUse(f"{path}.field.", kind.net, bind_net(kind, env)) for path in paths]
            case op:
                dims = moved(op, dims)[0]
    return dims


def halves(dims: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[list[int], list[int]]]:
    """The sizes of a half of the channels, coordinates or features; the places of the first one and of the second."""
    axis = 1 if len(dims) == 2 else 0
    if dims[axis] % 2:
        raise ValueError(f"{dims} has no halves")
    half = (*dims[:axis], dims[axis] // 2, *dims[axis + 1 :])
    places = torch.arange(math.prod(dims)).reshape(dims).split(half[axis], axis)
    return half, (places[0].flatten().tolist(), places[1].flatten().tolist())


def leaves(program: ir.Program, definition: ir.Definition, env: Env) -> tuple[int, ...]:
    """The sizes that leave a definition."""
    if isinstance(definition, ir.Layer):
        return env.dims
    return _walk(program, definition.steps, env, "", [()], env.dims, [])


def moved(op: ir.Op, dims: tuple[int, ...]) -> tuple[tuple[int, ...], list[int] | None]:
    """The sizes after a built-in step, and where each entry comes from, if it moves entries."""
    match op:
        case ir.Pad(extra=extra):
            return (dims[0] + extra, *dims[1:]), None
        case ir.Squeeze(factor=f, layout=layout, undo=undo):
            c, h, w = dims
            if undo:
                c, h, w = c // (f * f), h * f, w * f  # the wide side
            deep = (c * f * f, h // f, w // f)
            wide_of: dict[int, int] = {}
            for k, y, x in product(range(c), range(h), range(w)):
                corner = (y % f) * f + x % f
                if layout == "alternate":  # the diagonal of a tile comes first
                    corner = {(0, 0): 0, (1, 1): 1, (0, 1): 2, (1, 0): 3}[y % 2, x % 2]
                channel = k * f * f + corner if layout == "colour_slow" else corner * c + k
                place = (channel * deep[1] + y // f) * deep[2] + x // f
                wide_of[place] = (k * h + y) * w + x
            if not undo:
                return deep, [wide_of[p] for p in range(len(wide_of))]
            deep_of = {wide: place for place, wide in wide_of.items()}
            return (c, h, w), [deep_of[p] for p in range(len(deep_of))]
        case ir.Flatten():
            return (math.prod(dims),), list(range(math.prod(dims)))
        case ir.Patches(size=n):
            c, h, w = dims
            tokens, width = (h // n) * (w // n), n * n * c
            found = [0] * (tokens * width)
            for place, (k, y, x) in enumerate(product(range(c), range(h), range(w))):
                token, entry = (y // n) * (w // n) + x // n, ((y % n) * n + x % n) * c + k
                found[token * width + entry] = place
            return (tokens, width), found
        case ir.Transpose(first=first, second=second):
            names = ["time", "channel"] if len(dims) == 2 else ["channel", "height", "width"]
            places = np.arange(math.prod(dims)).reshape(dims).swapaxes(names.index(first), names.index(second))
            return places.shape, places.flatten().tolist()
        case ir.Reverse(axis=axis):
            return dims, _rearranged(axis, dims, lambda size: list(reversed(range(size))))
        case ir.Permute(axis=axis, seed=seed):
            return dims, _rearranged(axis, dims, lambda size: _shuffled(size, seed))
        case _:
            return dims, None


def _rearranged(axis: str, dims: tuple[int, ...], order: Callable[[int], list[int]]) -> list[int]:
    """Where each entry comes from when those of an axis, or all, are put in another order."""
    places = np.arange(math.prod(dims)).reshape(dims)
    if axis == "all":
        return [int(p) for p in places.flatten()[order(places.size)]]
    along = {("channel", 3): 0, ("channel", 1): 0, ("channel", 2): 1, ("time", 2): 0}[axis, len(dims)]
    return [int(p) for p in np.take(places, order(dims[along]), along).flatten()]


def _shuffled(size: int, seed: int) -> list[int]:
    """Draws of Python's uniform numbers: the last place takes one of all, the one before it one of the others, ..."""
    draws = Random(seed)
    left, taken = list(range(size)), []
    while len(left) > 1:
        chosen = math.floor(draws.random() * len(left))
        taken.append(left[chosen])
        left[chosen] = left[-1]
        left.pop()
    return [*left, *reversed(taken)]


def run_flow(
    program: ir.Program,
    definition: ir.Definition,
    env: Env,
    raw: Raw,
    x: Field,
    prefix: str = "",
    missed: float = 0.0,
) -> Field:
    """The bijection of a definition at x.

    Errors count what leaves each layer as off by `missed` (1 + |y|) more: what an inverse, which solves one layer after
    the other, leaves of each of them.
    """
    if isinstance(definition, ir.Layer):
        found = Formula(env, x, Weights(definition, env, raw, prefix)).layer()
        return replace(found, error=found.error + missed * (1 + found.value.abs()))
    left: list[Field] = []
    rest, _ = _run(program, definition.steps, env, raw, x, prefix, (), env.dims, missed, left)
    return _in_a_row([*left, rest])


def _in_a_row(parts: list[Field]) -> Field:
    """Parts that left at different places, in order; a bound for each input is that of the worst of them."""
    if len(parts) == 1:
        return parts[0]
    value, error, steep = (torch.cat([getattr(p, n) for p in parts], -1) for n in ("value", "error", "steep"))
    rough, gain = (torch.stack([getattr(p, n) for p in parts]).amax(0) for n in ("rough", "gain"))
    return Field(value, error, torch.cat([p.jacobian for p in parts], 2), steep, rough, gain)


def _run(program, steps, env, raw, x, prefix, copy, dims, missed, left):  # type: ignore[no-untyped-def]
    for step in steps:
        path = prefix + ".".join([step.name, *map(str, copy)]) + "."
        match step.op:
            case ir.Use(definition=key, args=args, inverted=inverted):
                callee = program.definitions[key]
                inner = bind(callee, dims, dict(args), env)
                if inverted:
                    x = undone(lambda at, c=callee, e=inner, p=path: run_flow(program, c, e, raw, at, p), x, missed)
                else:
                    x = run_flow(program, callee, inner, raw, x, path, missed)
                dims = leaves(program, callee, inner)
            case ir.Repeat(count=count, steps=block):
                for k in range(evaluate_size(count, env.sizes)):
                    x, dims = _run(program, block, env, raw, x, prefix, (*copy, k), dims, missed, left)
            case ir.Pair(steps=block):
                x, dims = _run(program, block, env, raw, x, prefix, copy, dims, missed, left)
            case ir.FactorOut(keep=keep, prior=prior):
                dims, (first, second) = halves(dims)
                part = _picked(x, second if keep == "first" else first)
                x = _picked(x, first if keep == "first" else second)
                left.append(part if prior is None else _normal(prior, part, x, env, raw, path, missed))
            case ir.Ode(field=kind, until=until, tol=tol):
                inside = Weights(kind.net, bind_net(kind, env), raw, f"{path}field.")
                x = solved.flow(right_side(inside), x, until, tol)
            case ir.StandardizeData():
                channels = [p[0] if len(dims) == 3 else p[-1] for p in product(*map(range, dims))]
                mean, log_std = (raw[path + name][:, channels].unsqueeze(1) for name in ("mean", "log_std"))
                x = _affine(x, -mean, (-log_std.clamp(-60.0, 60.0)).exp())
            case op:
                x = _built_in(op, x, dims)
                dims = moved(op, dims)[0]
                if isinstance(op, ir.Pad) and missed:  # an inverse takes for 0 what is within the root of the rounding
                    x = replace(x, error=x.error + 1e-7 * (1 + x.value.abs().amax(-1, keepdim=True)))
    return x, dims


def right_side(inside: Weights) -> solved.Right:
    """The field of a continuous flow: its net at a state and a time."""
    assert isinstance(inside.layer, ir.Net)
    state, time = (name for name, _ in inside.layer.inputs)

    def right(z: Field, at: float) -> Field:
        clock = tensors.constant(torch.full_like(z.value[:, :1, :1], at), z)
        return Formula(inside.env, z, inside, parts={state: z, time: clock}).results()[0]

    return right


def undone(f: Callable[[Field], Field], z: Field, missed: float) -> Field:
    """The x with f(x) = z, by Newton's method on dense Jacobians; a step is halved where the residual does not fall."""
    x, step, found = z.value, torch.zeros_like(z.value), f(tensors.variable(z.value, z.value.shape[1]))
    misfit = (found.value - z.value).abs().amax(-1)
    for _ in range(200):
        newton = torch.linalg.solve(found.jacobian, z.value - found.value)
        step = torch.where(step.abs().sum(-1, keepdim=True) > 0, step, newton)
        there = f(tensors.variable(x + step, x.shape[1]))
        now = (there.value - z.value).abs().amax(-1)
        fell = (now < misfit).unsqueeze(-1)
        if not bool(fell.any()) and float(step.abs().max()) <= 1e-15 * (1 + float(x.abs().max())):
            break
        x, step = torch.where(fell, x + step, x), torch.where(fell, torch.zeros_like(step), step / 2)
        misfit, found = torch.minimum(now, misfit), f(tensors.variable(x, x.shape[1]))
    back = torch.linalg.inv(found.jacobian)
    off = z.error + found.error + (found.value - z.value).abs() + (missed or 1e-11) * (1 + z.value.abs())
    points = z.jacobian.shape[1]
    gain, slopes = back.abs().sum(-1).amax(-1)[:, :points], back[:, :points]
    rough = z.rough + found.rough[:, :points] * gain * found.jacobian.abs().sum(-1).amax(-1)[:, :points]
    steep = (slopes.abs() @ z.jacobian.abs()).diagonal(dim1=-2, dim2=-1)
    error = (back.abs() @ off.unsqueeze(-1)).squeeze(-1)
    return Field(x, error, slopes @ z.jacobian, steep, rough, gain * z.gain)


def _normal(prior: ir.NetParam, part: Field, kept: Field, env: Env, raw: Raw, path: str, missed: float) -> Field:
    """What leaves, less the mean and over the deviation that the net makes of what goes on."""
    inside = bind_net(prior, env)
    mean, log_scale = Formula(inside, kept, Weights(prior.net, inside, raw, path)).results()
    factor = tensors.apply(tensors.negate(log_scale), _exp)
    found = tensors.multiply(tensors.add(part, tensors.negate(mean)), factor)
    # an inverse rounds the part, which the factor then enlarges
    return replace(found, error=found.error + missed * (1 + found.value.abs() + part.value.abs() * factor.value))


def _built_in(op: ir.Op, x: Field, dims: tuple[int, ...]) -> Field:
    match op:
        case ir.Move():
            _, sources = moved(op, dims)
            return _picked(x, sources)
        case ir.Logit(alpha=a):
            inner = tensors.add(_scaled(x, 1 - 2 * a), tensors.constant(torch.full_like(x.value[:, :1], a), x))
            return tensors.apply(inner, _logit)
        case ir.Standardize(mean=mean, std=std):
            channels = [p[0] if len(dims) == 3 else p[-1] for p in product(*map(range, dims))]
            shift = torch.tensor([-mean[c % len(mean)] for c in channels], dtype=x.value.dtype)
            factor = torch.tensor([1 / std[c % len(std)] for c in channels], dtype=x.value.dtype)
            return _affine(x, shift, factor)
        case ir.Pad(extra=extra):
            more = extra * math.prod(dims[1:])
            widen = [
                torch.cat([part, torch.zeros_like(part[..., :1]).expand(*part.shape[:-1], more)], -1)
                for part in (x.value, x.error, x.steep)
            ]
            rows = torch.zeros_like(x.jacobian[:, :, :1]).expand(-1, -1, more, -1)
            return Field(widen[0], widen[1], torch.cat([x.jacobian, rows], 2), widen[2], x.rough, x.gain)
        case _:
            return x


def _picked(x: Field, places: list[int] | None) -> Field:
    return Field(
        x.value[..., places],
        x.error[..., places],
        x.jacobian[:, :, places],
        x.steep[..., places],
        x.rough,
        x.gain,
    )


def _affine(x: Field, shift: Tensor, factor: Tensor) -> Field:
    """(x + shift) * factor, of numbers that do not depend on x: [R, 1, D], or the same for all draws."""
    moved_ = tensors.add(x, tensors.constant(shift.expand_as(x.value[:, :1]), x))
    return tensors.multiply(moved_, tensors.constant(factor.expand_as(x.value[:, :1]), x))


def _scaled(x: Field, factor: float) -> Field:
    return tensors.multiply(x, tensors.constant(torch.full_like(x.value[:, :1], factor), x))
