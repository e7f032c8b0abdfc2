"""Which layers are one convolution, or a sum of convolutions, between elementwise links, with taps in one half plane.

Then pixels follow from each other front by front, whatever the channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from mintdsl.codegen.reading import Reading
from mintdsl.core import ir
from mintdsl.core.links import Link
from mintdsl.core.postorder import below
from mintdsl.core.walks import needed_lets
from mintdsl.proof.check import Bindings, LayerProof
from mintdsl.proof.jacobian import DENSE, NONE
from mintdsl.proof.orders import kept_families, resolved_order
from mintdsl.records import record, replace

Factors = tuple[tuple[str, ir.Expr], ...]
"""What a value is multiplied with (`*`) or divided by (`/`)."""


@record
class Summand:
    """A convolution, summed over `summed`, or None for what the convolutions read itself; its sign and its factors."""

    linear: ir.Linear | None
    summed: tuple[str, ...]
    minus: bool
    factors: Factors


@record
class Convolved:
    """A layer: links behind the variable, a sum of convolutions, links behind that; the outermost first in each."""

    before: tuple[Link, ...]
    summands: tuple[Summand, ...]
    after: tuple[Link, ...]


def convolved(layer: ir.Layer, proofs: Sequence[LayerProof], bindings: Sequence[Bindings]) -> Convolved | None:
    """A layer as one convolution whose taps lie in a half plane, for every use of it; None where it is not."""
    triangular = all(p.jacobian.off not in (NONE, DENSE) and not p.linked for p in proofs)
    if layer.shape.kind != "Image" or layer.split is not None or not triangular:
        return None
    reading = Reading(layer, frozenset({layer.variable}), {})
    after, core = _peeled(reading, layer.result)
    before: tuple[Link, ...] | None = None
    found: list[Summand] = []
    waiting: list[tuple[ir.Expr, bool, Factors]] = [(core, False, ())]
    while waiting:
        node, minus, factors = waiting.pop()
        match node:
            case _ if not reading.moves(node):
                if factors:
                    return None
                after.append(Link("-" if minus else "+", node))
            case ir.Ref(name=name, indices=()):
                waiting.append((layer.let(name).value, minus, factors))
            case ir.Neg(arg=arg):
                waiting.append((arg, not minus, factors))
            case ir.Binary(op="+" | "-" as op, left=left, right=right):
                waiting += [(right, minus != (op == "-"), factors), (left, minus, factors)]
            case ir.Binary(op="*", left=left, right=right) if _uniform(reading, left):
                waiting.append((right, minus, (("*", left), *factors)))
            case ir.Binary(op="*" | "/" as op, left=left, right=right) if _uniform(reading, right):
                waiting.append((left, minus, ((op, right), *factors)))
            case _:
                linear, summed = _map(node)
                links, end = _peeled(reading, node if linear is None else linear.arg)
                fits = isinstance(end, ir.Var) and (before is None or tuple(links) == before)
                if not fits or (links and summed) or not (linear is None or _masked(layer, linear)):
                    return None
                before = tuple(links)
                found.append(Summand(linear, summed, minus, factors))
    maps = [layer.param(one.linear.param) for one in found if one.linear is not None]
    if before is None or not _one_way(layer, maps, bindings):
        return None
    return Convolved(before, tuple(found), tuple(after))


def _peeled(reading: Reading, node: ir.Expr) -> tuple[list[Link], ir.Expr]:
    """The links around a node, outermost first, whose operands do not move; and the node."""
    found: list[Link] = []
    while True:
        match node:
            case ir.Ref(name=name, indices=()):
                node = reading.owner.let(name).value
            case ir.Neg(arg=arg):
                found.append(Link("neg", None))
                node = arg
            case ir.Binary(op=op, left=left, right=right) if not reading.moves(right):
                found.append(Link(op, right))
                node = left
            case ir.Binary(op="+" | "-" | "*" as op, left=left, right=right) if not reading.moves(left):
                found.append(Link("from" if op == "-" else op, left))
                node = right
            case _:
                return found, node


def _map(node: ir.Expr) -> tuple[ir.Linear | None, tuple[str, ...]]:
    """The map of `sum[i](W[i](e))`, if it is one, and the indices of its sums."""
    summed: tuple[str, ...] = ()
    while isinstance(node, ir.Sum):
        summed, node = (*summed, *node.indices), node.body
    return (node, summed) if isinstance(node, ir.Linear) else (None, summed)


def _masked(layer: ir.Layer, linear: ir.Linear) -> bool:
    kind = layer.param(linear.param).kind
    return isinstance(kind, ir.Conv) and kind.direction is not None


def _uniform(reading: Reading, node: ir.Expr) -> bool:
    """Whether a formula is a number, or one a channel, the same at every pixel and for every sample."""
    owner = reading.owner
    for part in below(node, *(item.value for item in needed_lets(node, owner))):
        match part:
            case ir.Scalar() | ir.Neg() | ir.Binary() | ir.Apply() | ir.Ref(indices=()):
                continue
            case ir.Value(param=name, indices=()):
                kind = owner.param(name).kind
                if isinstance(kind, ir.Elementwise) and kind.per == "channel":
                    continue
        return False
    return True


def _one_way(layer: ir.Layer, maps: Sequence[ir.Param], bindings: Sequence[Bindings]) -> bool:
    """Whether the offsets that these maps keep lie in one half plane, whichever way their directions go."""
    formals = sorted({str(_direction(p)) for p in maps} - {"lower", "upper"})
    for case, ways in product(bindings, product(("lower", "upper"), repeat=len(formals))):
        order, known = resolved_order(layer, case), dict(zip(formals, ways, strict=True))
        if order is None or order.space != "Image":
            return False
        offsets: set[tuple[int, int]] = set()
        for param in maps:
            assert isinstance(param.kind, ir.Conv)
            way = str(_direction(param))
            settled = replace(param, kind=replace(param.kind, direction=known.get(way, way)))
            offsets |= {family.first[1:] for family in kept_families(settled, order)}
        if not half_plane(offsets - {(0, 0)}):
            return False
    return True


def _direction(param: ir.Param) -> ir.Direction | None:
    assert isinstance(param.kind, ir.Conv)
    return param.kind.direction


def half_plane(offsets: Iterable[tuple[int, int]]) -> bool:
    """Whether some vector has a positive product with every offset, none of which is (0, 0)."""
    known = [*offsets]
    first = known[0] if known else (0, 0)
    for one in known:
        if _turn(one, first) > 0:
            first = one
    # in a half plane they have an order by angle, and `first` comes first
    return all(_turn(first, one) > 0 or (not _turn(first, one) and _dot(first, one) > 0) for one in known)


def _turn(a: tuple[int, int], b: tuple[int, int]) -> int:
    return a[0] * b[1] - a[1] * b[0]


def _dot(a: tuple[int, int], b: tuple[int, int]) -> int:
    return a[0] * b[0] + a[1] * b[1]
