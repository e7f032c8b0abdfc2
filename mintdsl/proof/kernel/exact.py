"""All the arithmetic of the kernel: intervals with exact rational ends, and products of signs in front of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import NamedTuple

Number = Fraction | float  # floats only for infinities


def exact(value: float) -> Number:
    """A float as the number that it is."""
    return value if math.isinf(value) else Fraction(value)


def times(a: Number, b: Number) -> Number:
    """A product in which 0 times infinity is 0."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a * b
    return Fraction(0) if a == 0 or b == 0 else inf if (a > 0) == (b > 0) else -inf


def plus(a: Number, b: Number) -> Number:
    """A sum; both are > -inf, or both are < inf."""
    return a + b if isinstance(a, Fraction) and isinstance(b, Fraction) else a if isinstance(a, float) else b


def above(value: Number) -> Number:
    """A bound of a number >= 0 in few digits: 128 bits, not below 2^-1100, and infinity from 2^1100 on."""
    if value >= 2**1100:
        return inf
    top, bottom = max(Fraction(value), Fraction(1, 2**1100)).as_integer_ratio()
    unit = Fraction(2) ** (top.bit_length() - bottom.bit_length() - 128)
    return math.ceil(Fraction(top, bottom) / unit) * unit


class Span(NamedTuple):
    """An interval; an open end does not belong to it."""

    lo: Number
    hi: Number
    lo_open: bool = False
    hi_open: bool = False

    def plus(self, other: Span) -> Span:
        """Sums of members."""
        lo, hi = plus(self.lo, other.lo), plus(self.hi, other.hi)
        return Span(lo, hi, self.lo_open or other.lo_open, self.hi_open or other.hi_open)

    def minus(self) -> Span:
        """Negated members."""
        return Span(-self.hi, -self.lo, self.hi_open, self.lo_open)

    def by(self, other: Span) -> Span:
        """Products of members; an end is open unless it is reached, which 0 times anything is."""
        if self.zero or other.zero:
            return ZERO
        ends: list[tuple[Number, bool]] = []
        for p, p_open in ((self.lo, self.lo_open), (self.hi, self.hi_open)):
            for q, q_open in ((other.lo, other.lo_open), (other.hi, other.hi_open)):
                reached = (p == 0 and not p_open) or (q == 0 and not q_open)
                ends.append((times(p, q), not reached and (p_open or q_open)))
        lo, hi = min(v for v, _ in ends), max(v for v, _ in ends)
        return Span(lo, hi, all(o for v, o in ends if v == lo), all(o for v, o in ends if v == hi))

    def inverse(self) -> Span:
        """1 / members, which are all > 0 or all < 0."""
        if not self.positive:
            return self.minus().inverse().minus()
        lo = Fraction(0) if self.hi == inf else 1 / Fraction(self.hi)
        return Span(lo, inf if self.lo == 0 else 1 / Fraction(self.lo), self.hi_open, self.lo_open)

    def symmetric(self) -> Span:
        """Members and their negatives."""
        is_open = all(o for v, o in ((-self.lo, self.lo_open), (self.hi, self.hi_open)) if v == self.most)
        return Span(-self.most, self.most, is_open, is_open)

    def within(self, other: Span) -> bool:
        """Whether all members belong to `other`."""
        low = self.lo > other.lo or (self.lo == other.lo and (self.lo_open or not other.lo_open))
        return low and (self.hi < other.hi or (self.hi == other.hi and (self.hi_open or not other.hi_open)))

    def inside(self, other: Span) -> Span:
        """The members that belong to `other`."""
        lo, lo_open = (other.lo, other.lo_open) if self.lo <= other.lo else (self.lo, self.lo_open)
        hi, hi_open = (other.hi, other.hi_open) if self.hi >= other.hi else (self.hi, self.hi_open)
        return Span(lo, hi, lo_open, hi_open)

    def hull(self, other: Span) -> Span:
        """The least interval around the members of both."""
        lo, hi = min(self.lo, other.lo), max(self.hi, other.hi)
        lo_open = all(s.lo_open for s in (self, other) if s.lo == lo)
        return Span(lo, hi, lo_open, all(s.hi_open for s in (self, other) if s.hi == hi))

    @property
    def most(self) -> Number:
        """The supremum of magnitudes."""
        return max(-self.lo, self.hi)

    @property
    def zero(self) -> bool:
        """Whether it is 0 alone."""
        return self.lo == 0 == self.hi

    @property
    def positive(self) -> bool:
        """Whether all members are > 0."""
        return self.lo > 0 or (self.lo == 0 and self.lo_open)

    @property
    def one_signed(self) -> bool:
        """Whether all members are > 0, or all < 0."""
        return self.positive or self.minus().positive

    @property
    def unit(self) -> bool:
        """Whether it is 1 alone, or -1 alone."""
        return self in (ONE, ONE.minus())

    @property
    def one_way(self) -> bool:
        """Whether all members are >= 0, or all <= 0."""
        return self.lo >= 0 or self.hi <= 0


ZERO, ONE, UNIT = (
    Span(Fraction(0), Fraction(0)),
    Span(Fraction(1), Fraction(1)),
    Span(Fraction(0), Fraction(1), True, True),
)
REAL, POSITIVE, NONNEGATIVE = (
    Span(-inf, inf, True, True),
    Span(Fraction(0), inf, True, True),
    Span(Fraction(0), inf, False, True),
)


def point(value: float) -> Span:
    """One number."""
    return Span(Fraction(value), Fraction(value))


Signs = frozenset[tuple[str, tuple[str, ...]]]
PLUS: Signs = frozenset()


class Signed(NamedTuple):
    """A product of signs, each -1 or +1 (of a parameter's diagonal, at indices), times a number in a span."""

    signs: Signs
    span: Span

    def times(self, other: Signed) -> Signed:
        """Products; a sign twice is 1."""
        span = self.span.by(other.span)
        return Signed(PLUS if span.zero else self.signs ^ other.signs, span)

    def plus(self, other: Signed) -> Signed:
        """Sums; where the signs differ, nothing is known of them."""
        if self.span.zero or other.span.zero:
            return other if self.span.zero else self
        if self.signs == other.signs:
            return Signed(self.signs, self.span.plus(other.span))
        return Signed(PLUS, self.forgotten.plus(other.forgotten))

    def minus(self) -> Signed:
        """Negated."""
        return Signed(self.signs, self.span.minus())

    @property
    def forgotten(self) -> Span:
        """Whatever the signs are."""
        return self.span.symmetric() if self.signs else self.span

    @property
    def direction(self) -> Signed:
        """Its sign, where sign(0) = 0."""
        return Signed(self.signs, Span(Fraction(-(self.span.lo < 0)), Fraction(self.span.hi > 0)))

    def summed(self, indices: Sequence[str]) -> Signed:
        """Sums over indices with at least one value each."""
        varies = any(set(where) & set(indices) for _, where in self.signs)
        signs, s = (PLUS, self.forgotten) if varies else (self.signs, self.span)
        lo, hi = s.lo if s.lo >= 0 else -inf, s.hi if s.hi <= 0 else inf
        return Signed(signs, Span(lo, hi, s.lo_open or lo == -inf, s.hi_open or hi == inf))

    def renamed(self, names: Mapping[str, str]) -> Signed:
        """At other indices; a sign that is then there twice is 1."""
        signs = PLUS
        for param, where in self.signs:
            signs ^= {(param, tuple(names[i] for i in where))}
        return Signed(signs, self.span)

    def allows(self, found: Signed) -> bool:
        """Whether what was found implies this."""
        if self.signs == found.signs and found.span.within(self.span):
            return True
        return not self.signs and found.forgotten.within(self.span)


ANY = Signed(PLUS, REAL)
