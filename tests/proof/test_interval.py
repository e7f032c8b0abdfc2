"""Intervals against exact arithmetic: what comes out holds every exact result, and open ends stay open."""

from __future__ import annotations

from fractions import Fraction
from math import inf, isinf

from hypothesis import given, strategies as st

from mintdsl.core.interval import NONNEGATIVE, ONE, POSITIVE, REAL, UNIT, ZERO, Interval

SMALL = st.one_of(st.integers(-4, 4).map(float), st.floats(-1e6, 1e6, allow_subnormal=False))
WIDE = st.one_of(SMALL, st.floats(-1e100, 1e100))


@st.composite
def intervals(draw: st.DrawFn, ends: st.SearchStrategy[float] = SMALL) -> Interval:
    lo, hi = sorted((draw(ends), draw(ends)))
    if draw(st.integers(0, 9)) == 0:
        hi = inf
    if draw(st.integers(0, 9)) == 0:
        lo = -inf
    point = lo == hi
    return Interval(lo, hi, not point and draw(st.booleans()), not point and draw(st.booleans()))


@st.composite
def members(draw: st.DrawFn, of: Interval) -> Fraction:
    """A member, often close to an end or on it."""
    lo = Fraction(of.lo) if not isinf(of.lo) else (Fraction(of.hi) if not isinf(of.hi) else Fraction(0)) - 10**7
    hi = Fraction(of.hi) if not isinf(of.hi) else (Fraction(of.lo) if not isinf(of.lo) else Fraction(0)) + 10**7
    parts = [Fraction(1, 2), Fraction(1, 10**30), 1 - Fraction(1, 10**30), Fraction(draw(st.integers(1, 99)), 100)]
    if not of.lo_open:
        parts.append(Fraction(0))
    if not of.hi_open:
        parts.append(Fraction(1))
    return lo + (hi - lo) * draw(st.sampled_from(parts)) if hi > lo else lo


def holds(interval: Interval, value: Fraction) -> bool:
    low = (
        isinf(interval.lo) or value > Fraction(interval.lo) or (value == Fraction(interval.lo) and not interval.lo_open)
    )
    high = (
        isinf(interval.hi) or value < Fraction(interval.hi) or (value == Fraction(interval.hi) and not interval.hi_open)
    )
    return low and high


@given(st.data(), intervals(WIDE), intervals(WIDE))
def test_sums_differences_and_products_hold_the_exact_result(data: st.DataObject, a: Interval, b: Interval) -> None:
    x, y = data.draw(members(a)), data.draw(members(b))
    assert holds(a, x) and holds(b, y)
    assert holds(a + b, x + y)
    assert holds(a - b, x - y)
    assert holds(a * b, x * y)
    assert holds(-a, -x)
    assert holds(a.hull(b), x) and holds(a.hull(b), y)
    assert holds(a.symmetric(), x) and holds(a.symmetric(), -x)


@given(st.data(), intervals(WIDE))
def test_reciprocals_hold_the_exact_result(data: st.DataObject, a: Interval) -> None:
    if a.one_signed:
        x = data.draw(members(a))
        assert holds(a.reciprocal(), 1 / x)
        assert a.reciprocal().positive == a.positive


@given(st.data(), intervals(), intervals())
def test_questions_agree_with_members(data: st.DataObject, a: Interval, b: Interval) -> None:
    x = data.draw(members(a))
    assert not a.positive or x > 0
    assert not a.negative or x < 0
    assert not a.nonnegative or x >= 0
    assert not a.nonpositive or x <= 0
    assert not a.one_signed or x != 0
    assert not a.is_zero or x == 0
    assert not a.within(b) or holds(b, x)
    assert a.within(a) and a.within(REAL) and a.within(a.hull(b))


def test_open_ends_of_sums() -> None:
    assert Interval(0, 1, True, False) + Interval(2, 3, False, True) == Interval(2, 4, True, True)
    assert POSITIVE + NONNEGATIVE == POSITIVE
    assert NONNEGATIVE + NONNEGATIVE == NONNEGATIVE
    assert ONE + POSITIVE == Interval(1, inf, lo_open=True)
    assert ONE - UNIT == UNIT
    assert REAL - REAL == REAL


def test_open_ends_of_products() -> None:
    assert POSITIVE * POSITIVE == POSITIVE
    assert POSITIVE * NONNEGATIVE == NONNEGATIVE  # 0 belongs to one factor
    assert UNIT * POSITIVE == POSITIVE  # 0 times inf is no number of the product
    assert Interval(0, 1, True, False) * Interval(0, 1, True, False) == Interval(0, 1, True, False)
    assert Interval(-1, 1) * Interval(-1, 1, True, True) == Interval(-1, 1, True, True)
    assert ZERO * REAL == ZERO
    assert REAL * ONE == REAL
    assert -POSITIVE * POSITIVE == -POSITIVE


def test_open_ends_of_reciprocals() -> None:
    assert POSITIVE.reciprocal() == POSITIVE
    assert UNIT.reciprocal() == Interval(1, inf, lo_open=True)
    assert Interval(2, 4, False, True).reciprocal() == Interval(0.25, 0.5, True, False)
    assert (-UNIT).reciprocal() == Interval(-inf, -1, hi_open=True)


def test_what_forgetting_a_sign_leaves() -> None:
    assert Interval(-1, 2, False, True).symmetric() == Interval(-2, 2, True, True)
    assert POSITIVE.symmetric() == REAL
    assert Interval(-1, 1, True, False).symmetric() == Interval(-1, 1)


def test_rounding_is_outwards() -> None:
    tenth = Interval(0.1, 0.1)
    total = tenth + Interval(0.2, 0.2)
    assert Fraction(total.lo) <= Fraction(0.1) + Fraction(0.2) <= Fraction(total.hi)
    product = tenth * tenth
    assert Fraction(product.lo) <= Fraction(0.1) ** 2 <= Fraction(product.hi)
    assert ONE + ONE == Interval(2, 2)  # an exact sum stays a point


def test_text() -> None:
    assert str(POSITIVE) == "(0, inf)"
    assert str(Interval(-1, 0.25, True)) == "(-1, 0.25]"
