"""What a counter-example to a claim is: a question about the map at one input, or at two.

Derivatives are those of the interpreter. What is found has a clear margin against rounding, or is exactly 0 by
structure: a factor that is 0, terms that cancel, the flat side of a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import hypot, isclose

from mintdsl.core import ir
from mintdsl.core.interval import number
from mintdsl.core.orders import DIRECTIONS
from mintdsl.proof.counterexample.knobs import short
from mintdsl.proof.counterexample.points import CLEAR, Point, volume
from mintdsl.proof.counterexample.settings import Setting
from mintdsl.records import record


@record
class Finding:
    """What fails: `kind` in a word, the inputs, and what is to be seen there; `target` is a value never reached."""

    kind: str
    points: tuple[Point, ...]
    seen: str
    target: tuple[float, ...] = ()


# Looks at the newest of the points, alone and beside the others; the probe evaluates one more input.
Probe = Callable[[Sequence[float]], Point | None]
Goal = Callable[[Sequence[Point], Probe], Finding | None]


def goal(claim: ir.Claim, setting: Setting) -> Goal | None:
    """What refutes `claim`; None where nothing of this size can."""
    match claim.what:
        case "diag":
            return lambda points, probe: _diagonal(claim, setting, points, probe)
        case "injective" | "invertible":
            return one_to_one
        case "volume_preserving":
            return _volume
        case "lip":
            return lambda points, probe: _steep(claim, setting, points)
        case "onto" | "log_det":
            return None
        case "inverse" if claim.word:
            return None
        case _:
            zeros = tuple(_zeros(claim, setting))
            return (lambda points, probe: _outside(claim, setting, zeros, points)) if zeros else None


def no_value(points: Sequence[Point], probe: Probe) -> Finding | None:
    """The map has no value."""
    newest = points[-1]
    return Finding("no value", (newest,), f"f(x) has no value: {newest.problem}") if newest.problem else None


# ---------------------------------------------------------------- entries


def entry(setting: Setting, p: int, q: int) -> str:
    """`d y[0, 1] / d x[0, 0]`"""
    return f"d y[{_index(setting, p)}] / d x[{_index(setting, q)}]"


def _index(setting: Setting, element: int) -> str:
    return ", ".join(map(str, setting.index(element)))


def _diagonal(claim: ir.Claim, setting: Setting, points: Sequence[Point], probe: Probe) -> Finding | None:
    newest = points[-1]
    if newest.problem:
        return None
    for p in range(setting.size):
        point = _failing(claim, newest, p, probe)
        if point is not None:
            asks = f"the claim asks {claim.cmp} {claim.value:g}"
            seen = f"{entry(setting, p, p)} = {number(point.jacobian[p][p])}, {asks}"
            return Finding("diagonal entry", (point,), seen)
        for older in points[:-1] if claim.cmp == "!=" else ():
            a = older.jacobian[p][p] / older.scale if older.jacobian else 0.0
            b = newest.jacobian[p][p] / newest.scale
            if a * b < 0 and min(abs(a), abs(b)) > CLEAR:
                a, b = older.jacobian[p][p], newest.jacobian[p][p]
                seen = f"{entry(setting, p, p)} = {number(a)} at x and {number(b)} at x', the claim asks one sign"
                return Finding("diagonal changes sign", (older, newest), seen)
    return None


def _failing(claim: ir.Claim, point: Point, p: int, probe: Probe) -> Point | None:
    """A point at which the diagonal entry `p` is not what the claim asks: `point`, or one beside it."""
    value, margin = point.jacobian[p][p], CLEAR * point.scale
    match claim.cmp:
        case ">=":
            return point if value < claim.value - margin else None
        case "==":
            return point if abs(value - claim.value) > margin else None
        case ">" if value < -margin:
            return point
        case _ if value != 0:
            return None
    for step in (1, -1):  # a slope may vanish at one place and the map still increase, as x * x * x does
        beside = probe([v + step * (k == p) for k, v in enumerate(point.x)])
        if beside is not None and beside.jacobian:
            slope = beside.jacobian[p][p]
            if slope == 0:
                return point
            if claim.cmp == ">" and slope < -CLEAR * beside.scale:
                return beside
    return None


def _zeros(claim: ir.Claim, setting: Setting) -> Iterator[tuple[int, int]]:
    """The entries (output, input) of the Jacobian that a class of maps has at 0."""
    word, order = setting.direction(claim.what), setting.order()
    if word not in (*DIRECTIONS, "diagonal") or order is None and word != "diagonal":
        return
    parts = setting.part_of_each()
    for p, q in product(range(setting.size), repeat=2):
        if p == q:
            if claim.strict:
                yield p, q
        elif word == "diagonal" or order is None:
            yield p, q
        elif parts is not None:
            if not (parts[p] > parts[q] if word == "lower" else parts[p] < parts[q]):
                yield p, q
        else:
            difference = tuple(a - b for a, b in zip(setting.index(p), setting.index(q), strict=True))
            if order.compare(difference) != (1 if word == "lower" else -1):
                yield p, q


def _outside(
    claim: ir.Claim, setting: Setting, zeros: Sequence[tuple[int, int]], points: Sequence[Point]
) -> Finding | None:
    newest = points[-1]
    if newest.problem:
        return None
    for p, q in zeros:
        value = newest.jacobian[p][q]
        if abs(value) > CLEAR * newest.scale:
            word = setting.direction(claim.what)
            asks = f"the claim `{claim}` asks 0" if word == claim.what else f"the claim `{claim}` = {word} asks 0"
            return Finding("entry outside", (newest,), f"{entry(setting, p, q)} = {number(value)}, {asks}")
    return None


def _steep(claim: ir.Claim, setting: Setting, points: Sequence[Point]) -> Finding | None:
    """A column of the Jacobian, whose norm no Lipschitz constant is below."""
    newest = points[-1]
    for q in range(setting.size if not newest.problem else 0):
        slope = hypot(*(row[q] for row in newest.jacobian))
        if slope > claim.value * (1 + CLEAR) or (slope == claim.value and claim.cmp == "<"):
            seen = f"|d y / d x[{_index(setting, q)}]| = {number(slope)}, the claim asks {claim.cmp} {claim.value:g}"
            return Finding("steep", (newest,), seen)
    return None


# ---------------------------------------------------------------- whole maps


def one_to_one(points: Sequence[Point], probe: Probe) -> Finding | None:
    """Two inputs with one output, or with determinants of opposite sign.

    A continuous one-to-one map of R^D is open (Brouwer) and has the same local degree everywhere, and the degree is
    the sign of the determinant where that is not 0.
    """
    newest = points[-1]
    if newest.problem or len(newest.jacobian) != len(newest.x):
        return None
    for step in _steps(len(newest.x)):
        if any(sum(a * b for a, b in zip(row, step, strict=True)) for row in newest.jacobian):
            continue
        for sign in (1, -1):
            other = probe([a + sign * b for a, b in zip(newest.x, step, strict=True)])
            if other is not None and not other.problem and _same(newest, other, step):
                return Finding("one output", (newest, other), f"f(x) = f(x') = {vector(newest.value)}")
    here = volume(newest.jacobian)
    for older in points[:-1]:
        there = volume(older.jacobian) if older.jacobian else 0.0
        if here * there < 0 and min(abs(here), abs(there)) > CLEAR:
            what = "d y / d x" if len(newest.x) == 1 else "det J"
            seen = f"{what} = {number(there)} at x and {number(here)} at x': a one-to-one map keeps the sign"
            return Finding("orientation", (older, newest), seen)
    return None


def _steps(size: int) -> Iterator[tuple[int, ...]]:
    """Directions in which a map may be constant."""
    if size > 3:
        yield from (tuple(int(k == p) for k in range(size)) for p in range(size))
        return
    for step in sorted(product((0, 1, -1), repeat=size), key=lambda step: sum(map(abs, step))):
        if next((v for v in step if v), 0) > 0:
            yield step


def _same(a: Point, b: Point, step: Sequence[int]) -> bool:
    still = not any(sum(v * s for v, s in zip(row, step, strict=True)) for row in b.jacobian)
    return still and all(isclose(v, w, rel_tol=1e-12, abs_tol=1e-12) for v, w in zip(a.value, b.value, strict=True))


def vector(values: Sequence[float]) -> str:
    """`2`, or `[2, 0]`."""
    shown = [number(v) for v in values]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _volume(points: Sequence[Point], probe: Probe) -> Finding | None:
    newest = points[-1]
    if newest.problem or len(newest.jacobian) != len(newest.x):
        return None
    value = abs(volume(newest.jacobian))
    if abs(value - 1) > CLEAR:
        return Finding("volume", (newest,), f"|det J| = {number(value)}, the claim asks 1")
    return None


# ---------------------------------------------------------------- one coordinate


def fold(points: Sequence[Point], probe: Probe) -> Finding | None:
    """Of one coordinate and slopes of opposite sign at two inputs: two inputs with one output, by bisection.

    A continuous function that first falls and then rises takes each value just above its lowest twice.
    """
    a, b = sorted(points, key=lambda point: point.x)
    falling = a.jacobian[0][0] < 0
    low, high = (a, b) if (b.value[0] - a.value[0] >= 0) == falling else (b, a)
    # between the inputs the function is on the other side of its value at `low`, and at `high` it is back
    target = low.value[0]
    near = None
    for halvings in range(1, 12):
        part = (high.x[0] - low.x[0]) / 2**halvings
        point = probe([low.x[0] + part])
        if point is None or point.problem:
            continue
        if (point.value[0] - target) * (high.value[0] - target) < 0 and abs(point.value[0] - target) > CLEAR:
            near = point
            break
    if high.value[0] == target:
        return _twice(low, high)
    if near is None or abs(high.value[0] - target) <= CLEAR:
        return None
    left, right = near, high
    for _ in range(60):
        middle = (left.x[0] + right.x[0]) / 2
        point = probe([middle])
        if point is None or point.problem:
            return None
        if point.value[0] == target or middle in (left.x[0], right.x[0]):
            left = point
            break
        if (point.value[0] - target) * (left.value[0] - target) > 0:
            left = point
        else:
            right = point
    plain = probe([short(left.x[0])])  # twelve digits are enough to see it
    close = plain is not None and not plain.problem and abs(plain.value[0] - target) <= 1e-10 * (1 + abs(target))
    return _twice(low, plain if plain is not None and close else left)


def _twice(x: Point, other: Point) -> Finding:
    return Finding("one output", (x, other), f"f(x) = f(x') = {number(x.value[0])}")
