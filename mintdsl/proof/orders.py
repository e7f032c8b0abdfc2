"""The order in which a layer is triangular: the declared one, or one found for all taps of its masked maps.

Masks are made by the declared order. Where a layer mixes `lower` and `upper`, an order is searched in which every tap
that the masks let through points one way; it exists exactly when no sum of taps is 0 (Gordan's theorem, applied to one
row of the key after another), and otherwise such a sum is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import ceil, floor, gcd

from mintdsl.core import ir
from mintdsl.core.live import differences
from mintdsl.core.orders import Order
from mintdsl.diagnostics.model import Diagnostic, Label
from mintdsl.proof.undefined import Undefined
from mintdsl.records import record

Vector = tuple[int, int, int]  # a difference of indices (c, h, w): output minus the input that it reads

FAR = 2**40  # beyond every channel difference at which a key of a declared order changes its sign
LARGEST = 15  # of the kernels for which a common order is searched


@record
class Family:
    """Differences `first + n * step`, n = 0, 1, 2 and so on, for each of `steps`: a tap at all channels that it has."""

    first: Vector
    steps: tuple[Vector, ...]


@record
class Working:
    """The order of a layer's proof, and what each direction of the spec is in it.

    `order` is None where a formal decides. `found`: it is not the declared one. `cycle` says, when `lower` and `upper`
    mix and no order fits, which taps add up to 0.
    """

    order: Order | None
    found: bool = False
    directions: Mapping[str, str] = {}
    cycle: str = ""

    def __str__(self) -> str:
        if self.order is None:
            return ""
        return f"{self.order.name} {self.order}"

    def direction(self, word: str) -> str:
        """The direction in the working order of a map that the spec calls `word`."""
        return self.directions.get(word, word)


def working_order(layer: ir.Layer, declared: Order | None, used: Sequence[str]) -> Working:
    """The declared order where all maps of `used` have one direction; else a common one of their taps, if there is."""
    maps = [p for p in layer.params if p.name in used and getattr(p.kind, "direction", None) is not None]
    words = {p.kind.direction for p in maps if isinstance(p.kind, (ir.Conv, ir.Dense))}
    convolutions = all(isinstance(p.kind, ir.Conv) for p in maps)
    if declared is None or words != {"lower", "upper"} or declared.space != "Image" or not convolutions:
        return Working(declared)
    families = {p.name: tuple(kept_families(p, declared)) for p in maps}
    if any(max(p.kind.size) > LARGEST for p in maps if isinstance(p.kind, ir.Conv)):
        return Working(declared, cycle=f"kernels beyond {LARGEST}x{LARGEST} are not searched for a common order")
    rows = common_rows([f for group in families.values() for f in group])
    if rows is None:
        return Working(declared, cycle=_cycle(families))
    return Working(Order("found", "Image", rows), True, {"lower": "lower", "upper": "lower"})


def kept_families(param: ir.Param, order: Order) -> Iterator[Family]:
    """The differences at which a masked convolution keeps its weight, for every number of channels it may have."""
    kind = param.kind
    assert isinstance(kind, ir.Conv) and kind.direction is not None
    channels = param.source.dims[0].constant
    sign = 1 if kind.direction == "lower" else -1
    for dh, dw in differences(kind, kind.direction):
        # along a line of channels the sign of the key changes at most once, where a row of the order is 0
        turns = {-(b * dh + c * dw) / a for a, b, c in order.rows if a}
        near = {n + k for t in turns for n in (floor(t), ceil(t)) for k in (-1, 0, 1)} | {0, -1, 1}
        last = FAR if channels is None else channels - 1
        kept = sorted(dc for dc in near | {-last, last} if abs(dc) <= last and order.compare((dc, dh, dw)) == sign)
        if channels is not None:
            yield from (Family((dc, dh, dw), ()) for dc in kept)
            continue
        steps = [(1, 0, 0)] * (FAR in kept) + [(-1, 0, 0)] * (-FAR in kept)
        ends = [dc for dc in kept if abs(dc) != FAR]
        match len(steps):
            case 2:
                yield Family((0, dh, dw), tuple(steps))
            case 1:
                yield Family((ends[0] if steps[0][0] > 0 else ends[-1], dh, dw), tuple(steps))
            case _:
                yield from (Family((dc, dh, dw), ()) for dc in ends)


def common_rows(families: Sequence[Family]) -> tuple[Vector, ...] | None:
    """Rows of an order, most significant first, in which every difference is later; None if there is none.

    Each row is a functional that is >= 0 on all differences left and > 0 on as many as possible.
    """
    rows: list[Vector] = []
    left = list(families)
    while left:
        row = _functional({f.first for f in left} | {s for f in left for s in f.steps})
        # a family whose first member is tied keeps the members that its steps do not decide
        rest = [Family(f.first, tuple(s for s in f.steps if not _dot(row, s))) for f in left if not _dot(row, f.first)]
        if rest == left:
            return None
        rows.append(row)
        left = rest
    return tuple(rows)


def _functional(vectors: set[Vector]) -> Vector:
    """A functional >= 0 on all `vectors` and > 0 wherever one such is: the sum of the extreme rays of the dual cone."""
    pool = sorted(vectors)
    candidates = {*pool}
    for a, b in product(pool, pool):
        normal = _cross(a, b)
        candidates |= {normal, _cross(a, normal)}
    rays = {_primitive(c) for c in candidates if any(c)}
    rays |= {(-a, -b, -c) for a, b, c in rays}
    valid = [r for r in sorted(rays) if all(_dot(r, v) >= 0 for v in pool)]
    deciding = [r for r in valid if any(_dot(r, v) for v in pool)]
    total = tuple(sum(r[k] for r in deciding) for k in range(3))
    return _primitive((total[0], total[1], total[2]))


def _cycle(families: Mapping[str, tuple[Family, ...]]) -> str:
    """The shortest sum of taps, over channels near each other, that is 0."""
    taps: dict[Vector, str] = {}
    for name, group in families.items():
        for family in group:
            for steps in product(range(3), repeat=len(family.steps)):
                end = [sum(n * s[k] for n, s in zip(steps, family.steps, strict=True)) for k in range(3)]
                taps.setdefault((family.first[0] + end[0], family.first[1] + end[1], family.first[2] + end[2]), name)
    near = {v: n for v, n in taps.items() if max(map(abs, v)) <= 4}
    reached: dict[Vector, tuple[Vector, ...]] = {(0, 0, 0): ()}
    front: list[Vector] = [(0, 0, 0)]
    while front:
        following: list[Vector] = []
        for place, tap in product(front, sorted(near, key=lambda v: sum(map(abs, v)))):
            there = (place[0] + tap[0], place[1] + tap[1], place[2] + tap[2])
            if not any(there):
                return _told([*reached[place], tap], near)
            if there not in reached and max(map(abs, there)) <= 4:
                reached[there] = (*reached[place], tap)
                following.append(there)
        front = following
    return "no order makes all taps of this layer point one way"


def _told(taps: Sequence[Vector], names: Mapping[Vector, str]) -> str:
    def place(tap: Vector) -> str:
        return ", ".join(
            n if not d else f"{n} {'-' if d > 0 else '+'} {abs(d)}" for n, d in zip("chw", tap, strict=True)
        )

    reads = [f"`{names[t]}` lets (c, h, w) read ({place(t)})" for t in dict.fromkeys(taps)]
    return f"no order makes it triangular: {'; '.join(reads)}; followed one after the other they lead back to (c, h, w)"


def _dot(a: Vector, b: Vector) -> int:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _primitive(v: Vector) -> Vector:
    shared = gcd(*v) or 1
    return (v[0] // shared, v[1] // shared, v[2] // shared)


def resolved_order(layer: ir.Layer, bindings: Mapping[str, ir.Argument]) -> Order | None:
    """The declared order of a layer, a formal replaced by its value."""
    if isinstance(layer.order, Order):
        return layer.order
    bound = bindings.get(layer.order.name)
    return bound if isinstance(bound, Order) else None


def fitting_order(layer: ir.Layer, order: Order | None) -> None:
    """An order given as an argument must be one of the layer's index set."""
    if order is not None and layer.shape.kind not in ("Any", order.space):
        label = Label(layer.shape_span, f"this layer acts on {layer.shape}", primary=True)
        title = f"the order `{order.name}` is one of {order.space}, the layer `{layer.name}` acts on {layer.shape}"
        raise Undefined(Diagnostic("E0304", title, (label,)))
