"""The interpreter's side of parameters: formals bound to values, shapes, and effective tensors by their definitions.

Written apart from the generator and from the tensor code, loop by loop, so that a test of one against the other
means something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import hypot, prod
from typing import NamedTuple, TypeAlias, TypeVar, assert_never

from mintdsl.core import ir
from mintdsl.core.constraints import Parametrisation, kept_by
from mintdsl.core.interpret_factors import factored
from mintdsl.core.interpret_masks import between, differences
from mintdsl.core.live import anchor
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.core.steps import SHAPES

Raw: TypeAlias = Mapping[str, Sequence[float]]
Argument: TypeAlias = int | ir.Argument
Member: TypeAlias = tuple[int, ...]  # which member of a family: one number for each of its indices
T = TypeVar("T")


# ---------------------------------------------------------------- values of formals


class BoundAct(NamedTuple):
    """An activation, and the values of the names in it: those of the place where it was written."""

    act: ir.Act
    env: Env


@dataclass(frozen=True, slots=True)
class Env:
    """The values of a definition's formals, and `dims`, the sizes of the shape that it acts on."""

    name: str = ""
    dims: tuple[int, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    directions: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    acts: Mapping[str, BoundAct] = field(default_factory=dict)

    def look(self, table: Mapping[str, T], formal: str) -> T:
        """The value of a formal. ValueError if it has none."""
        if formal not in table:
            raise ValueError(f"the formal `{formal}`{f' of `{self.name}`' if self.name else ''} has no value")
        return table[formal]

    def shape(self, shape: ir.Shape) -> tuple[int, ...]:
        """The sizes of a shape; those of `on S` are the sizes acted on."""
        return self.dims if shape.kind == "Any" else tuple(evaluate_size(d, self.sizes) for d in shape.dims)

    def with_formal(self, formal: ir.Formal, value: Argument, place: Env) -> Env:
        """`formal` bound to a value whose own names are those of `place`. ValueError for a value of another type."""
        match formal.type, value:
            case "Nat", int() | Nat():
                size = evaluate_size(value if isinstance(value, Nat) else Nat.of(value), place.sizes, formal.least)
                return replace(self, sizes={**self.sizes, formal.name: size})
            case "Real", int() | float():
                return replace(self, numbers={**self.numbers, formal.name: float(value)})
            case "Dir", "lower" | "upper":
                return replace(self, directions={**self.directions, formal.name: value})
            case "Dir", str():
                return replace(self, directions={**self.directions, formal.name: place.look(place.directions, value)})
            case "Order", Order():
                return replace(self, orders={**self.orders, formal.name: value})
            case "Order", ir.FormalOrder():
                return replace(self, orders={**self.orders, formal.name: place.look(place.orders, value.name)})
            case "Act", ir.FormalAct():
                return replace(self, acts={**self.acts, formal.name: place.look(place.acts, value.name)})
            case "Act", ir.BuiltinAct() | ir.DefinedAct():
                return replace(self, acts={**self.acts, formal.name: BoundAct(value, place)})
            case "Init", ir.InitCall():
                return self  # raw tensors are given, so nothing here depends on how they would be drawn
            case _:
                raise ValueError(f"`{formal.name}` of `{self.name}` is of type {formal.type}, not {value!r}")


def evaluate_size(size: Nat, env: Mapping[str, int], least: int = 1) -> int:
    """The whole number >= `least` that `size` is where its symbols have the values in `env`; ValueError otherwise."""
    constant = size.constant
    if constant is not None and constant >= least:
        return constant
    missing = sorted(size.symbols - set(env))
    if missing:
        raise ValueError(f"the size `{size}` needs a value of {', '.join(f'`{m}`' for m in missing)}")
    ratio = size.evaluate(env)
    if ratio.bottom != 1 or ratio.top < least:
        value = f"{ratio.top} / {ratio.bottom}" if ratio.bottom != 1 else f"{ratio.top}"
        raise ValueError(f"the size `{size}` is {value}, not a whole number >= {least}")
    return ratio.top


def bind(
    definition: ir.Definition, shape: Sequence[int], args: Mapping[str, Argument], place: Env | None = None
) -> Env:
    """The environment of `definition` on `shape`. Names inside `args` are those of `place` (default: none).

    Formals without an argument take their defaults; one without a default stays unbound until something needs it.
    ValueError for a shape that does not fit, an unknown argument, or one of another type.
    """
    unknown = sorted(set(args) - {f.name for f in definition.formals})
    if unknown:
        raise ValueError(f"`{definition.name}` has no formal `{unknown[0]}`")
    env = Env(definition.name, tuple(shape), _symbols(definition.shape, shape))
    for formal in definition.formals:
        if formal.name in args:
            env = env.with_formal(formal, args[formal.name], place or Env())
        elif formal.default is not None:
            env = env.with_formal(formal, formal.default, env)
    dims, wanted = env.dims, definition.shape
    if wanted.kind == "Any":
        fits = len(dims) in SHAPES.values() and min(dims) >= 1
    else:
        fits = len(dims) == SHAPES[wanted.kind] and min(dims) >= 1 and env.shape(wanted) == dims
    if not fits:
        raise ValueError(f"`{definition.name}` is on `{wanted}`, not on sizes {list(dims)}")
    return env


def bind_net(kind: ir.NetParam, place: Env) -> Env:
    """The environment of a net that is a parameter; names in its arguments and places are those of `place`."""
    net, shapes = kind.net, [place.shape(shape) for shape in (*kind.sources, *kind.targets)]
    sizes: dict[str, int] = {}
    for pattern, dims in zip(net.places, shapes, strict=True):
        sizes = {**_symbols(pattern, dims), **sizes}
    env = Env(net.name, shapes[0], sizes)
    for formal, (_, value) in zip(net.formals, kind.args, strict=True):
        env = env.with_formal(formal, value, place)
    for pattern, dims in zip(net.places, shapes, strict=True):
        if env.shape(pattern) != dims:
            raise ValueError(f"`{net.name}` is on `{pattern}` there, not on sizes {list(dims)}")
    return env


def _symbols(shape: ir.Shape, dims: Sequence[int]) -> dict[str, int]:
    """Values of the symbols that are sizes of the shape."""
    bound: dict[str, int] = {}
    for size, value in zip(shape.dims, dims, strict=False):
        for symbol in size.symbols:
            if size == Nat.symbol(symbol):
                bound.setdefault(symbol, value)
    return bound


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
    shape (per element), the channels (per channel), (C_out, C_in, rows, columns) or (out, in).
    """
    sizes = {**env, **_symbols(layer.shape, dims)}
    place = Env(layer.name, tuple(dims), sizes)
    return (*extents(layer, param.indices, sizes), *_map_shape(param, place))


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
        case ir.NetParam() | ir.LayerNorm() | ir.Attention():
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
                if param.factored:
                    return self._factored(param, member, raw)
                if kind.norm:
                    return self._normed(param, raw, member)
                if kind.direction is None:
                    return raw
                return self._masked(param, member, kind, self._direction(kind.direction))
            case ir.NetParam() | ir.LayerNorm() | ir.Attention():
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

    def inside(self, param: ir.Param, member: Member) -> Weights:
        """The weights of a net that is a parameter, or of one member of a family of nets."""
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
            units = [(self.env.shape(s)[0], s == self.layer.shape) for s in (param.target, param.source)]
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
        """A square matrix whose determinant is constrained, from its stored factors."""
        assert param.bound is not None
        via, n = param.bound.via, _map_shape(param, self.env)[0]
        how, stored = parametrisation(param), [raw[n * i : n * i + n] for i in range(n)]
        assert how is not None
        signs = self._signs(param, member) if how.signed else [1.0] * n
        diagonal = [sign * how.value(stored[i][i]) for i, sign in enumerate(signs)]
        shape = order_shape(self.layer, param, self.env.dims, self.env.sizes)
        order = [] if shape is None else [int(k) for k in self._slice(f"{param.name}_order", shape, member)]
        return [value for row in factored(via, stored, diagonal, order) for value in row]

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
        value = via.value(raw, *param.bound.numbers)
        return self._signs(param, member)[slot] * value if via.signed else value

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
            case ir.Conv(direction=direction) as conv:
                _, sources, rows, columns = _map_shape(param, self.env)
                row, column = anchor(conv, self._direction(direction or "lower"))
                return ((slot * sources + slot) * rows + row) * columns + column
            case ir.Dense():
                return slot * _map_shape(param, self.env)[1] + slot
            case ir.Normalize() | ir.Perm():
                raise ValueError(f"`{param.name}` holds no diagonal")
            case ir.NetParam() | ir.LayerNorm() | ir.Attention():
                raise ValueError(f"`{param.name}` has no diagonal")
            case other:
                assert_never(other)

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
