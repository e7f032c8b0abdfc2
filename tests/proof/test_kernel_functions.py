"""The rules of the kernel against functions: what it concludes must hold of those that have the facts it starts from.

Random functions of two coordinates are built beside their facts, each fact perhaps weakened before the next rule is
applied. They are piecewise rational and evaluated in fractions, so difference quotients, values, constancy and
Lipschitz bounds are compared without any slack.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import inf
from typing import NamedTuple

from mintdsl.proof.kernel.exact import ANY, PLUS, POSITIVE, REAL, UNIT, ZERO, Signed, Span, times
from mintdsl.proof.kernel.facts import Elementwise
from mintdsl.proof.kernel.flows import whole
from mintdsl.proof.kernel.rules import (
    DENSE,
    NONE,
    ONTO,
    VARIABLE,
    Fact,
    activate,
    add,
    bent,
    constant,
    divide,
    mapped,
    multiply,
    negated,
    normalized,
    permuted,
    subtract,
    tied,
    total,
)

Point = tuple[Fraction, ...]
Places = Mapping[str, int]  # values of indices
Function = Callable[[Point, Places], Point]


class Case(NamedTuple):
    """A function with a fact; `indices` are those it depends on."""

    function: Function
    fact: Fact
    indices: frozenset[str]


def fraction(generator: random.Random, low: int = -6, high: int = 6) -> Fraction:
    return Fraction(generator.randint(low * 2, high * 2), generator.choice((1, 2, 3, 4)))


# ---------------------------------------------------------------- elementwise functions


def bounded(u: Fraction) -> Fraction:
    return u / (1 + abs(u))


def unbounded(u: Fraction) -> Fraction:
    return u / (1 - abs(u))


def spread(lo: Fraction | float, hi: Fraction | float, lo_open: bool = False, hi_open: bool = False) -> Span:
    return Span(Fraction(lo) if lo != -inf else lo, Fraction(hi) if hi != inf else hi, lo_open, hi_open)


MIDDLE = spread(-1, 1, True, True)
FROM_0 = spread(0, inf, False, True)
ELEMENTWISE: dict[str, tuple[Callable[[Fraction], Fraction], Span, Span, Span]] = {
    # function, slopes, image, domain
    "identity": (lambda u: u, spread(1, 1), REAL, REAL),
    "flipped": (lambda u: -2 * u, spread(-2, -2), REAL, REAL),
    "relu": (lambda u: max(u, Fraction(0)), spread(0, 1), FROM_0, REAL),
    "leaky": (lambda u: u if u > 0 else u / 4, spread(0.25, 1), REAL, REAL),
    "abs": (abs, spread(-1, 1), FROM_0, REAL),
    "square": (lambda u: u * u, REAL, FROM_0, REAL),
    "cube": (lambda u: u**3, FROM_0, REAL, REAL),
    "clip": (lambda u: min(max(u, Fraction(-1)), Fraction(1)), spread(0, 1), spread(-1, 1), REAL),
    "bounded": (bounded, spread(0, 1, True), MIDDLE, REAL),
    "half": (lambda u: (1 + bounded(u)) / 2, spread(0, 0.5, True), UNIT, REAL),
    "unbounded": (unbounded, spread(1, inf, False, True), REAL, MIDDLE),
    "steady": (lambda u: u + bounded(u), spread(1, 2, True), REAL, REAL),
    "hill": (lambda u: 1 / (1 + abs(u)), spread(-1, 1), spread(0, 1, True), REAL),
}


def elementwise(name: str, argument: Span) -> Elementwise | None:
    _, slopes, image, domain = ELEMENTWISE[name]
    if not argument.within(domain):
        return None
    return Elementwise(slopes, image, image, domain, 0)


# ---------------------------------------------------------------- functions of two coordinates


def weakened(generator: random.Random, fact: Fact) -> Fact:
    """A fact that is implied."""
    if fact.off == DENSE:
        return fact
    choice = generator.randrange(12)
    if choice == 0:
        fact = fact._replace(diag=wider(generator, fact.diag))
    elif choice == 1:
        fact = fact._replace(values=wider(generator, fact.values))
    elif choice == 2:
        fact = fact._replace(own="unknown", image=None)
    elif choice == 3:
        fact = fact._replace(lip=fact.lip + 1 if fact.lip != inf else inf)
    elif choice == 4:
        fact = fact._replace(diag=ANY)
    return fact


def wider(generator: random.Random, signed: Signed) -> Signed:
    span = signed.span if generator.random() < 0.5 else signed.forgotten
    signs = signed.signs if span == signed.span else PLUS
    lo = span.lo - abs(fraction(generator)) if span.lo > -inf else span.lo
    hi = span.hi + abs(fraction(generator)) if span.hi < inf else span.hi
    return Signed(signs, Span(lo, hi, lo == -inf, hi == inf))


RULES = ("add", "add", "subtract", "multiply", "divide", "act", "act", "map", "sum", "bn", "neg", "perm", "spline")


class Builder:
    """Builds random functions; signs of parameters are drawn once for each parameter, member and coordinate."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.rules: Counter[str] = Counter()

    def member(self, low: int, high: int) -> Callable[[Places], Point]:
        """Numbers of a family over `i` or of a single parameter, one for each coordinate."""
        table = {k: tuple(Fraction(self.random.randint(low * 4, high * 4), 4) for _ in "pq") for k in (None, 0, 1)}
        return lambda places: table[places.get("i")]

    def leaf(self) -> Case:
        choice = self.random.randrange(4)
        if choice <= 1:
            return Case(lambda x, _: x, VARIABLE, frozenset())
        if choice == 2:
            value = fraction(self.random)
            return Case(lambda x, _: (value, value), constant(Signed(PLUS, spread(value, value))), frozenset())
        values, diagonal, indices = self.scale()
        return Case(lambda x, places: values(places), constant(diagonal), indices)

    def scale(self) -> tuple[Callable[[Places], Point], Signed, frozenset[str]]:
        """A parameter: its values and what is known of them."""
        self.count += 1
        name = f"p{self.count}"
        indices = self.random.choice(((), (), ("i",)))
        low, high = self.random.choice(((0, 3), (1, 4), (-3, 3)))
        numbers = self.member(low, high)
        values = (lambda places: numbers(places)) if indices else (lambda places: numbers({}))
        sign = Signed(frozenset({(name, indices)}), FROM_0) if low < 0 else Signed(PLUS, spread(low, inf, False, True))
        return values, sign, frozenset(indices)

    def build(self, depth: int) -> Case:
        case = self.leaf() if depth == 0 else self.apply(depth)
        return case._replace(fact=weakened(self.random, case.fact))

    def apply(self, depth: int) -> Case:
        rule = self.random.choice(RULES)
        a = self.build(depth - 1)
        f = a.function
        self.rules[rule] += 1
        match rule:
            case "neg":
                return a._replace(function=lambda x, i: each(lambda u: -u, f(x, i)), fact=negated(a.fact))
            case "add" | "subtract" | "multiply" | "divide":
                return self.binary(rule, a, self.build(depth - 1))
            case "act":
                name = self.random.choice(list(ELEMENTWISE))
                known = elementwise(name, a.fact.values.forgotten)
                if known is None:
                    return a
                h = ELEMENTWISE[name][0]
                return a._replace(function=lambda x, i: each(h, f(x, i)), fact=activate(a.fact, known))
            case "map":
                return self.masked(a)
            case "perm":
                return self.swapped(a)
            case "spline":
                return self.bent(a)
            case "sum":

                def summed(x: Point, places: Places) -> Point:
                    parts = [f(x, {**places, "i": k}) for k in (0, 1)]
                    return tuple(map(sum, zip(*parts, strict=True)))  # type: ignore[arg-type]

                return Case(summed, total(a.fact, ("i",)), a.indices - {"i"})
            case _:
                slope, shift = Fraction(self.random.randint(1, 8), 4), fraction(self.random)
                fact = normalized(a.fact, Fraction(1, 4))
                return a._replace(function=lambda x, i: each(lambda u: slope * u + shift, f(x, i)), fact=fact)

    def binary(self, rule: str, a: Case, b: Case) -> Case:
        f, g, indices = a.function, b.function, a.indices | b.indices

        def pairs(x: Point, i: Places) -> list[tuple[Fraction, Fraction]]:
            return list(zip(f(x, i), g(x, i), strict=True))

        match rule:
            case "add":
                return Case(lambda x, i: tuple(u + v for u, v in pairs(x, i)), add(a.fact, b.fact), indices)
            case "subtract":
                return Case(lambda x, i: tuple(u - v for u, v in pairs(x, i)), subtract(a.fact, b.fact), indices)
            case "multiply":
                return Case(lambda x, i: tuple(u * v for u, v in pairs(x, i)), multiply(a.fact, b.fact), indices)
            case _ if not b.fact.values.span.one_signed:
                return a
            case _:
                return Case(lambda x, i: tuple(u / v for u, v in pairs(x, i)), divide(a.fact, b.fact), indices)

    def masked(self, a: Case) -> Case:
        """A triangular matrix, tied or not, or a dense one."""
        f = a.function
        values, diagonal, indices = self.scale()
        direction = self.random.choice(("lower", "lower", "upper", None))
        if self.random.random() < 0.3:
            diagonal, values, indices = Signed(PLUS, spread(0, 0)), lambda _: (Fraction(0),) * 2, frozenset()
        elif self.random.random() < 0.3:  # a pivot: |raw| times the sign of another parameter
            raw, others = self.member(-3, 3), values
            diagonal = tied(1, [diagonal])
            family = bool(indices)

            def values(i: Places) -> Point:
                pairs = zip(raw(i if family else {}), others(i), strict=True)
                return tuple(abs(r) * (1 if v > 0 else -1 if v < 0 else 0) for r, v in pairs)

        below, above = fraction(self.random), fraction(self.random)

        def function(x: Point, i: Places) -> Point:
            (u, v), (p, q) = f(x, i), values(i)
            return (
                p * u + (above * v if direction != "lower" else 0),
                q * v + (below * u if direction != "upper" else 0),
            )

        return Case(function, mapped(a.fact, direction, ANY if direction is None else diagonal), a.indices | indices)

    def swapped(self, a: Case) -> Case:
        """The two entries in the other order."""
        return Case(lambda x, i: a.function(x, i)[::-1], permuted(a.fact), a.indices)

    def bent(self, a: Case) -> Case:
        """A rational-quadratic spline on [-2, 2], with the most uneven bins and slopes that its floor lets through.

        Or the logit of the distribution function of one logistic.
        """
        params = [constant(ANY)] * 3
        if self.random.random() < 0.3:  # a mixture of one logistic
            mean, inverse_scale = fraction(self.random), Fraction(self.random.choice((1, 7, 900)), 30)
            if self.random.random() < 0.5:  # the mean of one coordinate reads the other one
                return self.bent_by_the_other(a, inverse_scale)
            fact = bent(a.fact, params, (), POSITIVE, 2, solved=False)
            return a._replace(
                function=lambda x, i: each(lambda v: inverse_scale * (v - mean), a.function(x, i)), fact=fact
            )
        floor, n = Fraction(1, self.random.choice((4, 8, 50))), self.random.choice((2, 3))

        def knots() -> list[Fraction]:
            free = [self.random.choice((0, 1, 5)) for _ in range(n - 1)]
            shares = [floor + (1 - n * floor) * Fraction(k, sum((*free, 1))) for k in (*free, 1)]
            return [Fraction(-2), *(-2 + 4 * sum(shares[: k + 1]) for k in range(n))]

        across, up = knots(), knots()
        slopes = [
            Fraction(1),
            *(self.random.choice((floor, 1 / floor, Fraction(1))) for _ in range(n - 1)),
            Fraction(1),
        ]

        steep = Span(floor**3 / 2, 4 / floor)

        def h(x: Fraction) -> Fraction:
            if not -2 < x < 2:
                return x
            k = max(k for k in range(n) if across[k] <= x)
            width, height = across[k + 1] - across[k], up[k + 1] - up[k]
            steep, t = height / width, (x - across[k]) / width
            top = height * (steep * t * t + slopes[k] * t * (1 - t))
            return up[k] + top / (steep + (slopes[k + 1] + slopes[k] - 2 * steep) * t * (1 - t))

        return a._replace(
            function=lambda x, i: each(h, a.function(x, i)), fact=bent(a.fact, params, (), steep, 1, solved=True)
        )

    def bent_by_the_other(self, a: Case, inverse_scale: Fraction) -> Case:
        """A mixture of one logistic whose mean is strict: that of the second coordinate reads the first, or reverse."""
        way = self.random.choice(("lower", "upper"))
        mean = Fact(way, Signed(PLUS, ZERO), "constant", None, ANY, inf, 0)

        def function(x: Point, i: Places) -> Point:
            u, v = a.function(x, i)
            first, second = (0, 5 * bounded(x[0])) if way == "lower" else (x[1] ** 2, 0)
            return inverse_scale * (u - first), inverse_scale * (v - second)

        params = [mean if self.random.random() < 0.7 else constant(ANY) for _ in range(2)]
        return Case(function, bent(a.fact, [mean, *params], (True,) * 3, POSITIVE, 2, solved=False), a.indices)


def each(h: Callable[[Fraction], Fraction], values: Point) -> Point:
    return tuple(map(h, values))


# ---------------------------------------------------------------- what a fact says


class Witness:
    """Compares a fact with values of its function; signs of parameters are fixed by the first value that shows them."""

    def __init__(self, case: Case, generator: random.Random) -> None:
        self.case, self.random = case, generator
        self.signs: dict[tuple[str, int, int | None], int] = {}

    def signed(self, what: str, stated: Signed, value: Fraction, p: int, places: Places) -> None:
        span = stated.span
        if not stated.signs:
            assert holds(span, value), (what, stated, value)
            return
        assert holds(span.symmetric(), value), (what, stated, value)
        if span.one_way and value:  # one sign for all inputs
            found = (1 if value > 0 else -1) * (1 if span.lo >= 0 else -1)
            key = (what, p, places.get("i"))
            assert self.signs.setdefault(key, found) == found, (what, stated, value)

    def check(self) -> None:
        fact = self.case.fact
        places = {"i": self.random.randrange(2)}
        x = tuple(fraction(self.random) for _ in range(2))
        y = self.case.function(x, places)
        for p in range(2):
            self.signed("values", fact.values, y[p], p, places)
            z = tuple(v + (self.random.choice((1, -1, 7)) * Fraction(1, 3)) * (q == p) for q, v in enumerate(x))
            there = self.case.function(z, places)
            other = 1 - p
            forbidden = {NONE: (0, 1), "lower": (1,), "upper": (0,), DENSE: ()}[fact.off]
            if p in forbidden:
                assert there[other] == y[other], fact.off
            if fact.off != DENSE:
                self.signed("diag", fact.diag, (there[p] - y[p]) / (z[p] - x[p]), p, places)
                self.own(x, p, places)
        z = tuple(fraction(self.random) for _ in range(2))
        apart, moved = square(x, z), square(y, self.case.function(z, places))
        assert fact.lip == inf or moved <= Fraction(fact.lip) ** 2 * apart

    def own(self, x: Point, p: int, places: Places) -> None:
        """The functions x_p -> f_p."""
        fact = self.case.fact

        def at(u: Fraction) -> Fraction:
            return self.case.function(tuple(u if q == p else v for q, v in enumerate(x)), places)[p]

        a, b, c = at(Fraction(0)), at(Fraction(1)), at(Fraction(-5, 2))
        far = Fraction(10) ** 15
        low, high = sorted((at(-far), at(far)))
        match fact.own:
            case "constant":
                assert a == b == c == low == high
            case "affine":
                assert b != a and c - a == Fraction(-5, 2) * (b - a) and at(far) == a + far * (b - a)
            case "onto" | "formula":
                assert low < -100 and high > 100
            case "injective":
                assert fact.image is not None
                assert all(holds(fact.image, v) for v in (a, b, c, low, high))
                for end, value in ((fact.image.lo, low), (fact.image.hi, high)):
                    near = abs(value) > 100 if end in (inf, -inf) else abs(Fraction(end) - value) < Fraction(1, 100)
                    assert near, (fact.image, value)
            case _:
                assert (fact.own, fact.image) == ("unknown", None)


def holds(span: Span, value: Fraction) -> bool:
    return Span(value, value).within(span)


def square(x: Point, y: Point) -> Fraction:
    return sum(((u - v) ** 2 for u, v in zip(x, y, strict=True)), Fraction(0))


def test_conclusions_hold_of_functions() -> None:
    rules: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    checked = one_to_one = composed = 0
    for number in range(2000):
        builder = Builder(f"{number}")
        case = builder.build(builder.random.choice((1, 2, 2, 3, 4)))
        rules += builder.rules
        kinds.update((case.fact.own, case.fact.off))
        witness = Witness(case, builder.random)
        for _ in range(6):
            witness.check()
            checked += 1
        if whole(case.fact).domain is not None and not case.indices:
            one_to_one += 1
            composed += case.fact.off == DENSE
            different(case, builder.random)
    print(f"\n{checked} points, {one_to_one} one to one; {dict(rules)}; {dict(kinds)}")
    assert all(rules[rule] >= 100 for rule in RULES) and composed >= 30
    words = ("constant", "affine", "formula", "onto", "injective", "unknown", NONE, DENSE, "lower", "upper")
    assert all(kinds[word] >= 30 for word in words)


def different(case: Case, generator: random.Random) -> None:
    """What I-TRI calls one to one has different values at different points."""
    points = [tuple(fraction(generator) for _ in range(2)) for _ in range(12)]
    values = [case.function(x, {}) for x in points]
    for x, y in zip(points, values, strict=True):
        assert all((x == z) == (y == w) for z, w in zip(points, values, strict=True))


def test_the_witness_sees_false_facts() -> None:
    """A fact made stronger than its function allows does not pass."""
    seen = 0
    for number in range(300):
        builder = Builder(f"false {number}")
        case = builder.build(2)
        fact = case.fact
        false = builder.random.choice(
            (
                fact._replace(diag=Signed(PLUS, spread(8, 9))),
                fact._replace(values=Signed(PLUS, spread(50, 51))),
                fact._replace(own="affine" if fact.own != "affine" else "constant"),
                fact._replace(lip=times(Fraction(1, 1000), fact.lip) if fact.lip != inf else Fraction(0)),
                fact._replace(off=NONE),
            )
        )
        witness = Witness(case._replace(fact=false), builder.random)
        try:
            for _ in range(8):
                witness.check()
        except AssertionError:
            seen += 1
    assert seen >= 150


def test_onto_is_a_word_for_three_kinds() -> None:
    assert set(ONTO) == {"affine", "formula", "onto"}
