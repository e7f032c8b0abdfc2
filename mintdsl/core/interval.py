"""Intervals of real numbers with open and closed ends, rounded outwards.

They are the only numbers a proof rests on, so every operation returns an interval that contains the exact result.
Sums and products of floats are rounded outwards unless they are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf, nextafter

from mintdsl.records import record


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from `lo` to `hi`; an open end does not belong to the set. Infinite ends are open."""

    lo: float
    hi: float
    lo_open: bool = False
    hi_open: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lo_open", self.lo_open or isinf(self.lo))
        object.__setattr__(self, "hi_open", self.hi_open or isinf(self.hi))

    # ------------------------------------------------------------ questions

    @property
    def is_zero(self) -> bool:
        """Whether it holds the number 0 only."""
        return self.lo == 0 == self.hi

    @property
    def positive(self) -> bool:
        """Whether every member is > 0."""
        return self.lo > 0 or (self.lo == 0 and self.lo_open)

    @property
    def negative(self) -> bool:
        """Whether every member is < 0."""
        return self.hi < 0 or (self.hi == 0 and self.hi_open)

    @property
    def nonnegative(self) -> bool:
        """Whether every member is >= 0."""
        return self.lo >= 0

    @property
    def nonpositive(self) -> bool:
        """Whether every member is <= 0."""
        return self.hi <= 0

    @property
    def unit(self) -> bool:
        """Whether it is 1 alone, or -1 alone."""
        return self.lo == self.hi and abs(self.lo) == 1

    @property
    def one_signed(self) -> bool:
        """Whether 0 is not a member and all members have one sign."""
        return self.positive or self.negative

    def within(self, other: Interval) -> bool:
        """Whether every member belongs to `other`."""
        low = self.lo > other.lo or (self.lo == other.lo and (self.lo_open or not other.lo_open))
        high = self.hi < other.hi or (self.hi == other.hi and (self.hi_open or not other.hi_open))
        return low and high

    # ------------------------------------------------------------ arithmetic

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo, self.hi_open, self.lo_open)

    def __add__(self, other: Interval) -> Interval:
        return Interval(
            _add(self.lo, other.lo, -inf),
            _add(self.hi, other.hi, inf),
            self.lo_open or other.lo_open,
            self.hi_open or other.hi_open,
        )

    def __sub__(self, other: Interval) -> Interval:
        return self + (-other)

    def __mul__(self, other: Interval) -> Interval:
        if self.is_zero or other.is_zero:
            return ZERO
        ends = [
            _End(a, a_open, b, b_open)
            for a, a_open in ((self.lo, self.lo_open), (self.hi, self.hi_open))
            for b, b_open in ((other.lo, other.lo_open), (other.hi, other.hi_open))
        ]
        lows = [(_multiply(e.a, e.b, -inf), e.open) for e in ends]
        highs = [(_multiply(e.a, e.b, inf), e.open) for e in ends]
        lo = min(value for value, _ in lows)
        hi = max(value for value, _ in highs)
        return Interval(
            lo,
            hi,
            all(is_open for value, is_open in lows if value == lo),
            all(is_open for value, is_open in highs if value == hi),
        )

    def reciprocal(self) -> Interval:
        """1 / members; `one_signed` must hold."""
        if self.negative:
            return -((-self).reciprocal())
        lo = 0.0 if isinf(self.hi) else nextafter(1 / self.hi, -inf) if _inexact_inverse(self.hi) else 1 / self.hi
        hi = inf if self.lo == 0 else nextafter(1 / self.lo, inf) if _inexact_inverse(self.lo) else 1 / self.lo
        return Interval(max(lo, 0.0), hi, self.hi_open, self.lo_open)

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that contains both."""
        lo, hi = min(self.lo, other.lo), max(self.hi, other.hi)
        lo_open = all(i.lo_open for i in (self, other) if i.lo == lo)
        hi_open = all(i.hi_open for i in (self, other) if i.hi == hi)
        return Interval(lo, hi, lo_open, hi_open)

    def symmetric(self) -> Interval:
        """[-m, m] with m the largest magnitude: what is left when the sign is forgotten."""
        return self.hull(-self)

    @property
    def magnitude(self) -> float:
        """The supremum of |members|."""
        return max(abs(self.lo), abs(self.hi))

    def __str__(self) -> str:
        left = "(" if self.lo_open else "["
        right = ")" if self.hi_open else "]"
        return f"{left}{number(self.lo)}, {number(self.hi)}{right}"


@record
class _End:
    a: float
    a_open: bool
    b: float
    b_open: bool

    @property
    def open(self) -> bool:
        # 0 times an open end is the number 0 itself when the 0 belongs to its interval
        if self.a == 0 and not self.a_open or self.b == 0 and not self.b_open:
            return False
        return self.a_open or self.b_open


def _add(a: float, b: float, towards: float) -> float:
    total = a + b
    if total != total:  # inf - inf: nothing is known
        return towards
    if isinf(total):
        return total if isinf(a) or isinf(b) else nextafter(total, towards)
    return total if _same(total, a, b, sum_=True) else nextafter(total, towards)


def _multiply(a: float, b: float, towards: float) -> float:
    if a == 0 or b == 0:
        return 0.0
    product = a * b
    if isinf(a) or isinf(b):
        return product
    return product if not isinf(product) and _same(product, a, b, sum_=False) else nextafter(product, towards)


def _same(result: float, a: float, b: float, *, sum_: bool) -> bool:
    """Whether a float is exactly the sum (or product) of two others."""
    (an, ad), (bn, bd), (rn, rd) = a.as_integer_ratio(), b.as_integer_ratio(), result.as_integer_ratio()
    top = an * bd + bn * ad if sum_ else an * bn
    return top * rd == rn * ad * bd


def sum_above(a: float, b: float) -> float:
    """A float that is at least a + b, for a, b >= 0."""
    return _add(a, b, inf)


def product_above(a: float, b: float) -> float:
    """A float that is at least a b, for a, b >= 0; 0 times infinity is 0."""
    return _multiply(a, b, inf)


def _inexact_inverse(value: float) -> bool:
    return value not in (1.0, 2.0, 4.0, 0.5, 0.25)


def number(value: float) -> str:
    """A bound as people write it."""
    if value == inf:
        return "inf"
    if value == -inf:
        return "-inf"
    return f"{value + 0.0:.6g}"  # -0 is 0


ZERO = Interval(0.0, 0.0)
ONE = Interval(1.0, 1.0)
REAL = Interval(-inf, inf)
NONNEGATIVE = Interval(0.0, inf)
POSITIVE = Interval(0.0, inf, lo_open=True)
UNIT = Interval(0.0, 1.0, lo_open=True, hi_open=True)
