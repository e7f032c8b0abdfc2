"""What follows at a node of a formula, a third time: by the corners of boxes, and by sixty digits for values.

Only bounds: the discrete parts of a fact are compared with those of a true certificate.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import inf
from typing import Any, NamedTuple

Json = Any
Number = Fraction | float
DIGITS = decimal.Context(prec=60, Emin=-(10**9), Emax=10**9)


def number(value: Json) -> Number:
    """A number of a certificate, or one that is exact already."""
    return float(value) if value in ("inf", "-inf", inf, -inf) else Fraction(value)


class Box(NamedTuple):
    """An interval; an open end does not belong to it."""

    lo: Number
    hi: Number
    lo_open: bool
    hi_open: bool

    @property
    def ends(self) -> tuple[tuple[Number, bool], tuple[Number, bool]]:
        return (self.lo, self.lo_open), (self.hi, self.hi_open)

    def holds(self, other: Box) -> bool:
        low = self.lo < other.lo or (self.lo == other.lo and (other.lo_open or not self.lo_open))
        return low and (self.hi > other.hi or (self.hi == other.hi and (other.hi_open or not self.hi_open)))

    def either_way(self) -> Box:
        return hull([*self.ends, *((-value, is_open) for value, is_open in self.ends)])

    @property
    def zero(self) -> bool:
        return self.lo == 0 == self.hi


def hull(points: list[tuple[Number, bool]]) -> Box:
    """The interval that points span, each reached or only approached (open)."""
    lo, hi = min(v for v, _ in points), max(v for v, _ in points)
    return Box(lo, hi, all(o for v, o in points if v == lo), all(o for v, o in points if v == hi))


def corners(f: Callable[[Number, Number], Number], a: Box, b: Box, zero: bool = False) -> Box:
    """The values of a function on two boxes that takes its extremes at corners; with `zero`, 0 in one decides it."""
    found = []
    for (x, x_open), (y, y_open) in product(a.ends, b.ends):
        decided = zero and ((x == 0 and not x_open) or (y == 0 and not y_open))
        found.append((f(x, y), (x_open or y_open) and not decided))
    return hull(found)


def times(x: Number, y: Number) -> Number:
    return Fraction(0) if x == 0 or y == 0 else x * y


def products(a: Box, b: Box) -> Box:
    return corners(times, a, b, zero=True)


def sums(a: Box, b: Box) -> Box:
    return corners(lambda x, y: x + y, a, b)


def inverses(a: Box) -> Box:
    found = [(inf if v == 0 else 1 / v if abs(v) != inf else Fraction(0), o) for v, o in a.ends]
    if a.lo < 0:
        found = [(-inf if v == inf else v, o) for v, o in found]
    return hull([(Fraction(v) if abs(v) != inf else v, o) for v, o in found])


def box(value: Json) -> Box:
    return Box(number(value[0]), number(value[1]), value[2], value[3])


def outer(value: Decimal) -> tuple[Fraction, Fraction]:
    """Bounds of a number known to sixty digits."""
    near = Fraction(value)
    return near - abs(near) / 10**50, near + abs(near) / 10**50


def _exp(v: Decimal) -> Decimal:
    return v.exp(DIGITS)


def _sigmoid(v: Decimal) -> Decimal:
    return DIGITS.divide(Decimal(1), DIGITS.add(1, _exp(-v)))


class Known(NamedTuple):
    """A function on R: value, slope, where its slope turns, the limits of both at the ends."""

    value: Callable[[Decimal], Decimal]
    slope: Callable[[Decimal], Decimal]
    turns: tuple[Decimal, ...]
    values: Box
    slopes: Box


def _box(lo: str, hi: str, lo_open: bool = True, hi_open: bool = True) -> Box:
    return Box(number(lo), number(hi), lo_open, hi_open)


def _tanh(v: Decimal) -> Decimal:
    return DIGITS.subtract(DIGITS.multiply(2, _sigmoid(2 * v)), 1)


def _tanh_slope(v: Decimal) -> Decimal:
    return DIGITS.multiply(4, DIGITS.multiply(_sigmoid(2 * v), _sigmoid(-2 * v)))


def _softplus(v: Decimal) -> Decimal:
    return DIGITS.ln(DIGITS.add(1, _exp(v)))


def _bell(v: Decimal) -> Decimal:
    return DIGITS.multiply(_sigmoid(v), _sigmoid(-v))


ZERO = Decimal(0)
SMOOTH: dict[str, Known] = {
    "exp": Known(_exp, _exp, (), _box("0", "inf"), _box("0", "inf")),
    "sigmoid": Known(_sigmoid, _bell, (ZERO,), _box("0", "1"), _box("0", "1/4", hi_open=False)),
    "tanh": Known(_tanh, _tanh_slope, (ZERO,), _box("-1", "1"), _box("0", "1", hi_open=False)),
    "softplus": Known(_softplus, _sigmoid, (), _box("0", "inf"), _box("0", "1")),
}
BOUNDS = {  # extremes to seven places, rounded outwards
    "gelu": (_box("-0.1289042", "1.1289042"), _box("-0.1699713", "inf")),
    "silu": (_box("-0.0998394", "1.0998394"), _box("-0.2784646", "inf")),
    "sin": (_box("-1", "1", False, False), _box("-1", "1", False, False)),
}


def activation(name: str, argument: Box) -> tuple[Box, Box] | None:
    """Slopes and values for arguments in a box; None for functions that this module does not know."""
    if name in BOUNDS:
        return BOUNDS[name]
    if name not in SMOOTH:
        return None
    known = SMOOTH[name]
    values: list[tuple[Number, bool]] = []
    slopes: list[tuple[Number, bool]] = []
    for (end, is_open), limit, steep in zip(argument.ends, known.values.ends, _limits(name), strict=True):
        if abs(end) == inf:
            values.append(limit)
            slopes.append(steep)
            continue
        place = DIGITS.divide(Decimal(Fraction(end).numerator), Decimal(Fraction(end).denominator))
        values += [(bound, is_open) for bound in outer(known.value(place))]
        slopes += [(bound, is_open) for bound in outer(known.slope(place))]
    inside = [t for t in known.turns if argument.lo < Fraction(t) < argument.hi]
    slopes += [(bound, False) for t in inside for bound in outer(known.slope(t))]
    return _cut(hull(slopes), known.slopes), _cut(hull(values), known.values)


def _limits(name: str) -> tuple[tuple[Number, bool], tuple[Number, bool]]:
    zero, one = (Fraction(0), True), (Fraction(1), True)
    return {"exp": (zero, (inf, True)), "softplus": (zero, one)}.get(name, (zero, zero))


def _cut(a: Box, whole: Box) -> Box:
    low, high = max(a.lo, whole.lo), min(a.hi, whole.hi)
    return Box(
        low,
        high,
        whole.lo_open if a.lo <= whole.lo else a.lo_open,
        whole.hi_open if a.hi >= whole.hi else a.hi_open,
    )


class Bounds(NamedTuple):
    """Bounds of difference quotients and values, signs apart, and of the Lipschitz constant."""

    diag: Box
    range: Box
    lip: Number


def bounds(fact: Json) -> Bounds:
    return Bounds(box(fact["diag"][1]), box(fact["range"][1]), number(fact["lip"]))


def at_node(node: Json, rule: str, operands: list[Json], params: dict[str, Json]) -> Bounds | None:
    """What follows for a node from the facts of its operands; None where this module does not say."""
    if any(fact["off"] == "<dense>" for fact in operands):
        return None
    found = [bounds(fact) for fact in operands]
    match rule, found:
        case "ADD", [a, b]:
            a, b = (_unsigned(bound, *operands[::step]) for bound, step in ((a, 1), (b, -1)))
            if node[0] == "-":
                b = Bounds(products(b.diag, MINUS), products(b.range, MINUS), b.lip)
            return Bounds(sums(a.diag, b.diag), sums(a.range, b.range), a.lip + b.lip)
        case "MUL" | "DIV", [a, b]:
            if rule == "DIV":
                inverse = inverses(b.range)
                square = products(inverse, inverse)
                b = Bounds(products(products(b.diag, square), MINUS), inverse, times(b.lip, greatest(square)))
            lip = times(a.lip, greatest(b.range)) + times(b.lip, greatest(a.range))
            if b.diag.zero:
                diag = products(a.diag, b.range)
            elif a.diag.zero:
                diag = products(b.diag, a.range)
            else:
                diag = sums(products(a.diag, b.range), products(b.diag, a.range))
            return Bounds(diag, products(a.range, b.range), lip)
        case "ACT", [a]:
            act = activation(node[1].get("act", ""), a.range if not operands[0]["range"][0] else a.range.either_way())
            if act is None:
                return None
            slopes, values = act
            return Bounds(products(a.diag, slopes), values, times(a.lip, greatest(slopes)))
        case "ACT-P", [a, *others] if all(bound.diag.zero for bound in others):
            floor = Fraction(node[3])
            slopes = Box(floor * floor * floor / 2, 4 / floor, False, False)
            return Bounds(products(a.diag, slopes), REAL, times(a.lip, slopes.hi))
        case "BN", [a]:
            eps = Fraction(params[node[1]]["kind"][1])
            root = DIGITS.sqrt(DIGITS.divide(Decimal(eps.denominator), Decimal(eps.numerator)))
            steep = Box(Fraction(0), outer(root)[1], True, False)
            return Bounds(products(a.diag, steep), REAL, times(a.lip, steep.hi))
        case "APPLY", [a] if "proved" in params[node[1]]:
            inner = bounds(params[node[1]]["proved"])
            return Bounds(products(a.diag, inner.diag), inner.range, times(a.lip, inner.lip))
        case "NET", _ if all(
            fact["off"] == "<diagonal>" and bound.diag.zero for fact, bound in zip(operands, found, strict=True)
        ):
            nothing = Box(Fraction(0), Fraction(0), False, False)
            return Bounds(nothing, REAL, Fraction(0))
    return None


def _unsigned(found: Bounds, own: Json, other: Json) -> Bounds:
    """Bounds of an operand whose signs the other does not share: either way round."""
    diag, values = ((own[part][0] != other[part][0], getattr(found, part)) for part in ("diag", "range"))
    return Bounds(
        *(
            part.either_way() if apart and own_signs else part
            for (apart, part), own_signs in ((diag, own["diag"][0]), (values, own["range"][0]))
        ),
        found.lip,
    )


MINUS = Box(Fraction(-1), Fraction(-1), False, False)
REAL = Box(-inf, inf, True, True)


def greatest(a: Box) -> Number:
    return max(-a.lo, a.hi)


def follows(fact: Json, by: Bounds) -> bool:
    """Whether the bounds of a fact follow; its signs are those of another fact known to be true."""
    diag, values = box(fact["diag"][1]), box(fact["range"][1])
    return diag.holds(by.diag) and values.holds(by.range) and number(fact["lip"]) >= by.lip


def lip_of_steps(steps: Json, known: Callable[[str, Json], Number]) -> Number:
    """The exact product of the Lipschitz bounds of steps; `known` gives that of a definition with its arguments."""
    total: Number = Fraction(1)
    most: Number = Fraction(0)  # of the chains up to what left
    for _, (word, *rest), _ in steps:
        for factor in _factors(word, rest, known):
            total = times(total, factor)
        if word == "factor":
            most = max(most, total)
    return max(most, total)


def _factors(word: str, rest: Json, known: Callable[[str, Json], Number]) -> Iterator[Number]:
    match word, rest:
        case "standardize", [_, std]:
            yield 1 / Fraction(min(std))
        case ("logit", _) | ("factor", [_, _]):
            yield inf
        case "repeat", [[[top, 1, []]], inner]:
            once = lip_of_steps(inner, known)
            yield once if once == inf else Fraction(once) ** top
        case "repeat", [_, inner]:
            once = lip_of_steps(inner, known)
            yield once if once <= 1 else inf
        case "pair", [inner]:
            yield lip_of_steps(inner, known)
        case "use", [name, args]:
            yield known(name, args)
