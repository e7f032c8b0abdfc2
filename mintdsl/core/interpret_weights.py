"""The interpreter's side of parameters: their shapes, and effective tensors by their definitions.

Written apart from the generator and from the tensor code, loop by loop, so that a test of one against the other
means something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import hypot, inf, prod
from typing import TypeAlias, assert_never

from mintdsl.core import ir
from mintdsl.core.constraints import Parametrisation, kept_by
from mintdsl.core.interpret_env import Argument, Env, bind, bind_layer, bind_net, evaluate_size, symbols
from mintdsl.core.interpret_factors import added, factored, subdued, woodbury
from mintdsl.core.interpret_masks import between, differences
from mintdsl.core.interpret_norms import Strided, columns_limited, limited, rows_limited
from mintdsl.core.live import anchor
from mintdsl.core.norms import norm_of_map

Raw: TypeAlias = Mapping[str, Sequence[float]]
Member: TypeAlias = tuple[int, ...]  # which member of a family: one number for each of its indices


# ---------------------------------------------------------------- shapes of parameters


def extents(layer: ir.Layer | ir.Net, indices: Sequence[str], env: Mapping[str, int]) -> tuple[int, ...]:
    """How far each of `indices` runs."""
    declared = dict(layer.indices)
    return tuple(evaluate_size(declared[i], env) for i in indices)


def param_shape(
    layer: ir.Layer | ir.Net, param: ir.Param, dims: Sequence[int], env: Mapping[str, int]
) -> tuple[int, ...]:
    """Shape of the raw tensor: `[*index sizes as declared, *shape of its map]`.

    `dims` are the sizes that the layer acts on; `env` has the values of its Nat formals. A map's shape is the event
    shape (per element), the channels (per channel), (C_out, C_in, rows, columns) or (out, in), and of one with a rank
    (2, rank, C). ValueError for a rank above C.
    """
    sizes = {**env, **symbols(layer.shape, dims)}
    place = Env(layer.name, tuple(dims), sizes)
    return (*extents(layer, param.indices, sizes), *_stored_shape(param, place))


def _stored_shape(param: ir.Param, env: Env) -> tuple[int, ...]:
    """As it is stored: of a map with a rank d two matrices [d, n], whatever its own shape."""
    if not isinstance(param.kind, (ir.Conv, ir.Dense)) or param.kind.rank is None:
        return _map_shape(param, env)
    rank, n = evaluate_size(param.kind.rank, env.sizes), _map_shape(param, env)[0]
    if rank > n:
        raise ValueError(f"`{param.name}` has a rank of {rank} on {n} channels")
    return (2, rank, n)


def _map_shape(param: ir.Param, env: Env) -> tuple[int, ...]:
    source, target = env.shape(param.source), env.shape(param.target)
    match param.kind:
        case ir.Elementwise(per=per):
            return target if per == "element" else (channels_of(target),)
        case ir.Conv(size=size):
            return (target[0], source[0], *size)
        case ir.Dense():
            return (target[-1], source[-1])
        case ir.Normalize():
            return (channels_of(target),)  # of each statistic
        case ir.Perm():
            return (0,)  # nothing is stored
        case ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
            raise ValueError(f"`{param.name}` has no one tensor of its own")
        case other:
            assert_never(other)


def sign_shape(
    layer: ir.Layer | ir.Net, param: ir.Param, dims: Sequence[int], env: Mapping[str, int]
) -> tuple[int, ...] | None:
    """Shape of the sign buffer `<name>_sign`: that of the diagonal; None where there is no such buffer."""
    via = parametrisation(param)
    if via is None or not via.signed:
        return None
    shape = param_shape(layer, param, dims, env)
    if isinstance(param.kind, (ir.Conv, ir.Dense)) and param.kind.rank is not None:
        return shape[1:2]
    return shape if isinstance(param.kind, ir.Elementwise) else shape[: len(param.indices) + 1]


def order_shape(
    layer: ir.Layer | ir.Net, param: ir.Param, dims: Sequence[int], env: Mapping[str, int]
) -> tuple[int, ...] | None:
    """Shape of the buffer `<name>_order`, the rows of a P L U; None where there is no such buffer."""
    if not param.factored or param.bound is None or param.bound.via != "plu":
        return None
    return param_shape(layer, param, dims, env)[: len(param.indices) + 1]


def channels_of(dims: tuple[int, ...]) -> int:
    """Number of channels: C of an image, D of a vector, the last size of a sequence."""
    return dims[0] if len(dims) == 3 else dims[-1]


def channel_of(element: int, dims: tuple[int, ...]) -> int:
    """The channel in which the flat index `element` lies."""
    return element // (dims[1] * dims[2]) if len(dims) == 3 else element % dims[-1]


def parametrisation(param: ir.Param) -> Parametrisation | None:
    """How the diagonal of `param`, or that of its factors, is kept in its constraint; None without one."""
    if param.bound is None:
        return None
    return kept_by(param.bound.quantity, param.bound.cmp, param.bound.via)


# ---------------------------------------------------------------- effective tensors


@dataclass(slots=True)
class Weights:
    """Effective values of one layer's or net's parameters; each member of a family is made once."""

    layer: ir.Layer | ir.Net
    env: Env
    raw: Raw
    prefix: str = ""
    made: dict[tuple[str, Member], list[float]] = field(default_factory=dict)

    def members(self, indices: Sequence[str]) -> Iterator[Member]:
        """All values of `indices`, in row-major order."""
        return product(*(range(n) for n in extents(self.layer, indices, self.env.sizes)))

    def of(self, name: str, member: Member) -> list[float]:
        """The effective values of one member of a family, flat in the shape of its map."""
        if (name, member) not in self.made:
            self.made[(name, member)] = self._make(self.layer.param(name), member)
        return self.made[(name, member)]

    def elements(self, name: str, member: Member) -> list[float]:
        """The effective values of a scale or bias for every element of its shape."""
        param = self.layer.param(name)
        values, dims = self.of(name, member), self.env.shape(param.target)
        assert isinstance(param.kind, ir.Elementwise)
        return [values[p if param.kind.per == "element" else channel_of(p, dims)] for p in range(prod(dims))]

    def _make(self, param: ir.Param, member: Member) -> list[float]:
        kind, dims = param.kind, self.env.shape(param.target)
        if isinstance(kind, ir.Normalize):
            shape = _map_shape(param, self.env)
            return self._slice(f"{param.name}_mean", shape, ()) + self._slice(f"{param.name}_var", shape, ())
        if isinstance(kind, ir.Perm):
            return []
        raw = self._raw(param, member)
        match kind:
            case ir.Elementwise(kind="bias"):
                return raw
            case ir.Elementwise(per="element"):
                return [self._diagonal(param, member, p) for p in range(len(raw))]
            case ir.Elementwise():
                return [self._diagonal(param, member, _first(c, dims)) for c in range(len(raw))]
            case ir.Conv() | ir.Dense():
                if kind.rank is not None:
                    return self._low_rank(param, raw)
                if param.factored:
                    return self._factored(param, member, raw)
                if param.limited and param.bound is not None:
                    image = self.env.shape(param.source)[1:]
                    around = kind.dilation if isinstance(kind, ir.Conv) and kind.circular else None
                    (limit,) = self._numbers(param.bound)
                    order = norm_of_map(param)
                    apart = None
                    if isinstance(kind, ir.Conv) and kind.stride != (1, 1):
                        apart = Strided(anchor(kind, "lower"), kind.dilation, kind.stride)
                    if order == inf:
                        return rows_limited(raw, _map_shape(param, self.env), limit)
                    if order == 1.0:
                        return columns_limited(raw, _map_shape(param, self.env), limit, apart)
                    return limited(raw, _map_shape(param, self.env), image, limit, around, apart)
                if kind.norm:
                    return self._normed(param, raw, member)
                if kind.direction is None:
                    return raw
                return self._masked(param, member, kind, self._direction(kind.direction))
            case ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
                raise ValueError(f"`{param.name}` has no one tensor of its own")
            case other:
                assert_never(other)

    def _normed(self, param: ir.Param, raw: list[float], member: Member) -> list[float]:
        """Each output channel's weights as a length times a direction; 0 where there is no direction."""
        shape = param_shape(self.layer, param, self.env.dims, self.env.sizes)
        outputs = shape[len(param.indices)]
        lengths = self._slice(f"{param.name}_gain", shape[: len(param.indices) + 1], member)
        size = len(raw) // outputs
        rows = [raw[o * size : (o + 1) * size] for o in range(outputs)]
        norms = [hypot(*row) or 1.0 for row in rows]
        return [lengths[o] * v / norms[o] for o, row in enumerate(rows) for v in row]

    def part(self, param: ir.Param, name: str, shape: tuple[int, ...]) -> list[float]:
        """One of the tensors of a kind that has several."""
        return self._slice(f"{param.name}.{name}", shape, ())

    def rows(self, name: str, shape: tuple[int, ...]) -> list[list[float]]:
        """The rows of a matrix of the stand-in for an extern net."""
        return [self._slice(name, shape, (row,)) for row in range(shape[0])]

    def inside(self, param: ir.Param, member: Member) -> Weights:
        """The weights of a net that is a parameter, of a member of a family of nets, or of a layer that is applied."""
        if isinstance(param.kind, ir.LayerParam):
            return Weights(param.kind.layer, bind_layer(param.kind, self.env), self.raw, f"{self.prefix}{param.name}.")
        assert isinstance(param.kind, ir.NetParam)
        path = ".".join([param.name, *map(str, member)])
        return Weights(param.kind.net, bind_net(param.kind, self.env), self.raw, f"{self.prefix}{path}.")

    def _masked(self, param: ir.Param, member: Member, kind: ir.Conv | ir.Dense, direction: str) -> list[float]:
        """A map with a direction: entries to an earlier (lower) or later (upper) input, and the diagonal."""
        raw, shape = self._raw(param, member), _map_shape(param, self.env)
        order = self.layer.order
        if isinstance(order, ir.FormalOrder):
            order = self.env.look(self.env.orders, order.name)
        if isinstance(self.layer, ir.Net) and (param.source, param.target) != (self.layer.shape, self.layer.shape):
            sides = (param.target, param.source)
            units = [(self.env.shape(s)[0], s == self.layer.shape or s.each is not None) for s in sides]
            kept = between(order, units, self.env.shape(self.layer.shape)[0], kind.strict, direction)
            return [v if k else 0.0 for v, k in zip(raw, kept, strict=True)]
        dims, wanted = self.env.shape(param.target), 1 if direction == "lower" else -1
        result = []
        for k, difference in enumerate(differences(kind, shape, direction)):
            if any(difference):
                result.append(raw[k] if order.compare(difference) == wanted else 0.0)
            elif kind.strict:
                result.append(0.0)
            else:
                result.append(self._diagonal(param, member, _first(k // prod(shape[1:]), dims)))
        return result

    def _factored(self, param: ir.Param, member: Member, raw: list[float]) -> list[float]:
        """A square matrix, or a kernel with one at its anchor, whose determinant is kept, from stored factors."""
        assert param.bound is not None
        via, n = param.bound.via, _map_shape(param, self.env)[0]
        at = [[self._entry(param, i, j) for j in range(n)] for i in range(n)]
        how, stored = parametrisation(param), [[raw[k] for k in row] for row in at]
        assert how is not None
        signs = self._signs(param, member) if how.signed else [1.0] * n
        diagonal = [sign * how.value(stored[i][i]) for i, sign in enumerate(signs)]
        shape = order_shape(self.layer, param, self.env.dims, self.env.sizes)
        order = [] if shape is None else [int(k) for k in self._slice(f"{param.name}_order", shape, member)]
        made, taps = list(raw), len(raw) // (n * n)
        if via == "dominant":
            own = at[0][0]
            other = [t for t in range(taps) if t != own]
            scale = subdued([[[raw[(i * n + j) * taps + t] for j in range(n)] for i in range(n)] for t in other])
            made = [scale * v for v in raw]
        for places, row in zip(at, factored(via, stored, diagonal, order), strict=True):
            for k, value in zip(places, row, strict=True):
                made[k] = value
        return made

    def _low_rank(self, param: ir.Param, raw: list[float]) -> list[float]:
        """I + U V, the matrix of a map with a rank."""
        _, rank, n = _stored_shape(param, self.env)
        first, second = ([raw[(k * rank + i) * n :][:n] for i in range(rank)] for k in range(2))
        how = parametrisation(param)
        assert how is not None
        if how.assumed:
            matrix = added(first, second)
        else:
            signs = self._signs(param, ())
            matrix = woodbury(first, second, [s * how.value(second[i][i]) for i, s in enumerate(signs)])
        return [value for row in matrix for value in row]

    def _direction(self, direction: ir.Direction) -> str:
        return direction if direction in ("lower", "upper") else self.env.look(self.env.directions, direction)

    def _diagonal(self, param: ir.Param, member: Member, element: int) -> float:
        """The diagonal entry of a scale or masked map at the flat index `element` of its shape."""
        slot = self._slot(param, element)
        raw = self._raw(param, member)[self._place(param, slot)]
        if param.pivot is not None:
            value = abs(raw) * param.pivot.sign
            renamed = dict(zip(param.pivot.indices, member, strict=True))
            for other in param.pivot.others:
                places = tuple(renamed[i] for i in other.indices)
                value *= _sign(self._diagonal(self.layer.param(other.name), places, element))
            return value
        via = parametrisation(param)
        if via is None or param.bound is None:
            return raw
        value = via.value(raw, *self._numbers(param.bound))
        if via.joint:
            value /= hypot(*map(via.value, self._raw(param, member)))
        return self._signs(param, member)[slot] * value if via.signed else value

    def _numbers(self, bound: ir.Bound) -> tuple[float, ...]:
        """The numbers of a constraint; a formal may give one."""
        return (self.env.look(self.env.numbers, bound.formal),) if bound.formal else bound.numbers

    def _slot(self, param: ir.Param, element: int) -> int:
        """Which entry of the stored diagonal stands at `element`."""
        if isinstance(param.kind, ir.Elementwise) and param.kind.per == "element":
            return element
        return channel_of(element, self.env.shape(param.target))

    def _place(self, param: ir.Param, slot: int) -> int:
        """The flat index of a diagonal entry in the stored map."""
        match param.kind:
            case ir.Elementwise():
                return slot
            case ir.Conv() | ir.Dense():
                return self._entry(param, slot, slot)
            case ir.Normalize() | ir.Perm():
                raise ValueError(f"`{param.name}` holds no diagonal")
            case ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
                raise ValueError(f"`{param.name}` has no diagonal")
            case other:
                assert_never(other)

    def _entry(self, param: ir.Param, output: int, source: int) -> int:
        """The flat index of an entry of a matrix, or of that at the anchor of a kernel."""
        shape = _map_shape(param, self.env)
        if not isinstance(param.kind, ir.Conv):
            return output * shape[1] + source
        _, sources, rows, columns = shape
        row, column = anchor(param.kind, self._direction(param.kind.direction or "lower"))
        return ((output * sources + source) * rows + row) * columns + column

    # ------------------------------------------------------------ stored tensors

    def _raw(self, param: ir.Param, member: Member) -> list[float]:
        shape = param_shape(self.layer, param, self.env.dims, self.env.sizes)
        return self._slice(param.name, shape, member)

    def _signs(self, param: ir.Param, member: Member) -> list[float]:
        shape = sign_shape(self.layer, param, self.env.dims, self.env.sizes)
        assert shape is not None
        return self._slice(f"{param.name}_sign", shape, member)

    def _slice(self, name: str, shape: tuple[int, ...], member: Member) -> list[float]:
        values = stored(self.raw, self.prefix + name, shape)
        size = prod(shape[len(member) :])
        start = 0
        for extent, position in zip(shape, member, strict=False):
            start = start * extent + position
        return list(values[start * size : (start + 1) * size])


def stored(raw: Raw, key: str, shape: tuple[int, ...]) -> Sequence[float]:
    """The numbers of a raw tensor, flat. ValueError where they are missing, or not as many as its shape takes."""
    if key not in raw:
        raise ValueError(f"the raw tensor `{key}` of shape {list(shape)} is missing")
    if len(raw[key]) != prod(shape):
        raise ValueError(
            f"the raw tensor `{key}` has {len(raw[key])} numbers, its shape {list(shape)} takes {prod(shape)}"
        )
    return raw[key]


def _first(channel: int, dims: tuple[int, ...]) -> int:
    """An element of `channel`: a diagonal that is stored per channel is the same at all of them."""
    return channel * dims[1] * dims[2] if len(dims) == 3 else channel


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def effective(
    layer: ir.Layer,
    param_name: str,
    raw: Raw,
    sizes: Mapping[str, int],
    args: Mapping[str, Argument],
    *,
    prefix: str = "",
    dims: Sequence[int] | None = None,
) -> list[float]:
    """The effective tensor of a parameter, flat, in the shape of `param_shape`: masked, constrained and tied.

    `sizes` has the sizes by symbol (those of the shape, and Nat formals), `args` the other formals; a layer `on S`
    needs `dims`, the sizes it acts on. Keys of `raw` start with `prefix`. ValueError for missing keys and wrong
    lengths.
    """
    event = tuple(dims) if dims is not None else tuple(evaluate_size(d, sizes) for d in layer.shape.dims)
    formals = {f.name for f in layer.formals}
    env = bind(layer, event, {**{name: size for name, size in sizes.items() if name in formals}, **args})
    weights = Weights(layer, env, raw, prefix)
    param = layer.param(param_name)
    return [value for member in weights.members(param.indices) for value in weights.of(param_name, member)]
