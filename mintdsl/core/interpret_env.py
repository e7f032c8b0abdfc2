"""The interpreter's side of definitions: formals, sizes and a context bound to values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import NamedTuple, TypeAlias, TypeVar

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order
from mintdsl.core.steps import SHAPES

Argument: TypeAlias = int | ir.Argument
T = TypeVar("T")


class BoundAct(NamedTuple):
    """An activation, and the values of the names in it: those of the place where it was written."""

    act: ir.Act
    env: Env


class Given(NamedTuple):
    """The context of an evaluation: its sizes, and its values, flat."""

    dims: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Env:
    """The values of a definition's formals, `dims`, the sizes of the shape that it acts on, and its context."""

    name: str = ""
    dims: tuple[int, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    directions: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    acts: Mapping[str, BoundAct] = field(default_factory=dict)
    given: Given | None = None

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
    definition: ir.Definition,
    shape: Sequence[int],
    args: Mapping[str, Argument],
    place: Env | None = None,
    given: Given | None = None,
) -> Env:
    """The environment of `definition` on `shape`. Names inside `args` are those of `place` (default: none).

    Formals without an argument take their defaults; one without a default stays unbound until something needs it. The
    context is `given`, or that of `place`. ValueError for a shape that does not fit, a context that is missing or does
    not fit, an unknown argument, or one of another type.
    """
    unknown = sorted(set(args) - {f.name for f in definition.formals})
    if unknown:
        raise ValueError(f"`{definition.name}` has no formal `{unknown[0]}`")
    env = Env(definition.name, tuple(shape), symbols(definition.shape, shape))
    given = given if given is not None else place.given if place is not None else None
    if definition.given is not None and given is not None:
        sizes = {**symbols(definition.given.shape, given.dims), **env.sizes}
        env = replace(env, given=given, sizes=sizes)
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
    if definition.given is not None:
        context = f"`given {definition.given.name} : {definition.given.shape}`"
        if given is None:
            raise ValueError(f"`{definition.name}` needs a context: {context}")
        if env.shape(definition.given.shape) != given.dims:
            raise ValueError(f"`{definition.name}` declares {context}, not one of sizes {list(given.dims)}")
    return env


def any_context(definition: ir.Definition, shape: Sequence[int], args: Mapping[str, Argument]) -> Given | None:
    """A context of zeros, for what does not depend on it; sizes that nothing says are 1."""
    if definition.given is None:
        return None
    if definition.given.shape.kind == "Any":
        return Given(tuple(shape), (0.0,) * prod(shape))
    defaults = {f.name: f.default for f in definition.formals}
    sizes = symbols(definition.shape, shape)
    for name, value in {**defaults, **args}.items():
        sizes |= {name: value} if isinstance(value, int) else {}
        sizes |= {name: value.constant} if isinstance(value, Nat) and value.constant is not None else {}
    open_ = {symbol: 1 for size in definition.given.shape.dims for symbol in size.symbols}
    dims = tuple(evaluate_size(size, {**open_, **sizes}) for size in definition.given.shape.dims)
    return Given(dims, (0.0,) * prod(dims))


def bind_net(kind: ir.NetParam, place: Env) -> Env:
    """The environment of a net that is a parameter; names in its arguments and places are those of `place`."""
    net, shapes = kind.net, [place.shape(shape) for shape in (*kind.sources, *kind.targets)]
    sizes: dict[str, int] = {}
    for pattern, dims in zip(net.places, shapes, strict=True):
        sizes = {**symbols(pattern, dims), **sizes}
    env = Env(net.name, shapes[0], sizes)
    for formal, (_, value) in zip(net.formals, kind.args, strict=True):
        env = env.with_formal(formal, value, place)
    for pattern, dims in zip(net.places, shapes, strict=True):
        if env.shape(pattern) != dims:
            raise ValueError(f"`{net.name}` is on `{pattern}` there, not on sizes {list(dims)}")
    return env


def bind_layer(kind: ir.LayerParam, place: Env) -> Env:
    """The environment of a layer that a formula applies; names in its arguments and shape are those of `place`."""
    return bind(kind.layer, place.shape(kind.place), dict(kind.args), place)


def symbols(shape: ir.Shape, dims: Sequence[int]) -> dict[str, int]:
    """Values of the symbols that are sizes of the shape."""
    bound: dict[str, int] = {}
    for size, value in zip(shape.dims, dims, strict=False):
        for symbol in size.symbols:
            if size == Nat.symbol(symbol):
                bound.setdefault(symbol, value)
    return bound
