"""The sizes of a definition where they are known: of its shape, formals and context, and those that steps leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mintdsl.core import ir
from mintdsl.core.counts import Sizes
from mintdsl.core.nat import Nat


class KnownSizes(NamedTuple):
    """The sizes of a definition: of its shape, of its Nat formals, of its context if it has one."""

    dims: Sizes
    nats: dict[str, int]
    given: Sizes | None = None


def left_sizes(step: ir.Step) -> tuple[Nat, ...]:
    """The sizes that have to be whole numbers for a step to leave its result."""
    if isinstance(step.op, ir.Patches):  # the product of two quotients may be whole where they are not
        return (*tiles(step.shape, step.op.size), *step.result.dims)
    return step.result.dims


def tiles(image: ir.Shape, size: int) -> tuple[Nat, Nat]:
    """How many rows and columns of tiles of `size` x `size` pixels an image has."""
    _, h, w = image.dims
    return h.over(size), w.over(size)


def known_sizes(definition: ir.Definition, sizes: Mapping[str, int]) -> KnownSizes | None:
    """The sizes of the shape, of the formals and of the context, where all are known."""
    nats = _nats(definition, sizes)
    dims = _dims(definition.shape, nats) if nats is not None else None
    if nats is None or dims is None:
        return None
    if definition.given is None:
        return KnownSizes(dims, nats)
    given = _dims(definition.given.shape, {**nats, **bind_sizes(definition.shape, dims)})
    return None if given is None else KnownSizes(dims, nats, given)


def _nats(definition: ir.Definition, sizes: Mapping[str, int]) -> dict[str, int] | None:
    values = {}
    for formal in definition.formals:
        if formal.type != "Nat":
            continue
        default = formal.default.constant if isinstance(formal.default, Nat) else None
        value = sizes.get(formal.name, default)
        if value is None:
            return None
        values[formal.name] = value
    return values


def _dims(shape: ir.Shape, nats: Mapping[str, int]) -> tuple[int, ...] | None:
    if shape.kind == "Any" or not all(d.symbols <= set(nats) for d in shape.dims):
        return None
    ratios = [d.evaluate(nats) for d in shape.dims]
    return tuple(r.top for r in ratios) if all(r.bottom == 1 for r in ratios) else None


def bind_sizes(shape: ir.Shape, dims: Sizes) -> dict[str, int]:
    """Values of the symbols that a shape binds."""
    bound = {}
    for pattern, size in zip(shape.dims, dims, strict=False):
        if len(pattern.terms) == 1 and len(pattern.symbols) == 1:
            symbol = next(iter(pattern.symbols))
            if pattern == Nat.symbol(symbol):
                bound[symbol] = size
    return bound
