"""The rules of the calculus, a second time: what follows for a node from the facts of its operands.

`proof/rules/` states and cites them; here they stand as short as they can be read, on exact intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import inf, isqrt
from typing import NamedTuple

from mintdsl.proof.kernel.exact import ONE, REAL, ZERO, Number, Span, times

Signs = frozenset[tuple[str, tuple[str, ...]]]
PLUS: Signs = frozenset()
NONE, DENSE = "<diagonal>", "<dense>"


class Refused(Exception):
    """A certificate that does not prove what it says; the message names the place and the reason."""


class Signed(NamedTuple):
    """A product of signs (parameter, indices) times a number in a span."""

    signs: Signs
    span: Span

    def times(self, other: Signed) -> Signed:
        span = self.span.by(other.span)
        return Signed(PLUS if span.zero else self.signs ^ other.signs, span)

    def plus(self, other: Signed) -> Signed:
        if self.span.zero or other.span.zero:
            return other if self.span.zero else self
        if self.signs == other.signs:
            return Signed(self.signs, self.span.plus(other.span))
        return Signed(PLUS, self.forgotten.plus(other.forgotten))

    def minus(self) -> Signed:
        return Signed(self.signs, self.span.minus())

    @property
    def forgotten(self) -> Span:
        return self.span.symmetric() if self.signs else self.span

    def summed(self, indices: Sequence[str]) -> Signed:
        """Over indices with at least one value each."""
        varies = any(set(where) & set(indices) for _, where in self.signs)
        signs, s = (PLUS, self.forgotten) if varies else (self.signs, self.span)
        lo, hi = s.lo if s.lo >= 0 else -inf, s.hi if s.hi <= 0 else inf
        return Signed(signs, Span(lo, hi, s.lo_open or lo == -inf, s.hi_open or hi == inf))

    def renamed(self, names: Mapping[str, str]) -> Signed:
        return Signed(frozenset((p, tuple(names.get(i, i) for i in where)) for p, where in self.signs), self.span)

    def allows(self, found: Signed) -> bool:
        """Whether what was found implies this."""
        if self.signs == found.signs and found.span.within(self.span):
            return True
        return not self.signs and found.forgotten.within(self.span)


class Fact(NamedTuple):
    """The class of an expression, as `proof.jacobian` explains it."""

    off: str
    diag: Signed
    own: str
    image: Span | None
    values: Signed
    lip: Number
    smooth: int

    @property
    def constant(self) -> bool:
        return self.off == NONE and self.diag.span.zero

    def settled(self) -> Fact:
        away = self.diag.span.lo > 0 or self.diag.span.hi < 0
        return self._replace(own="onto", image=None) if away and self.own in ("injective", "unknown") else self

    def allows(self, found: Fact) -> bool:
        """Whether what was found implies this."""
        return (
            (self.off in (found.off, DENSE) or found.off == NONE)
            and self.diag.allows(found.diag)
            and (self.own == "unknown" or (self.own, self.image) == (found.own, found.image))
            and self.values.allows(found.values)
            and self.lip >= found.lip
            and self.smooth <= found.smooth
        )


VARIABLE = Fact(NONE, Signed(PLUS, ONE), "affine", None, Signed(PLUS, REAL), Fraction(1), 2)


# ---------------------------------------------------------------- rules


def constant(values: Signed) -> Fact:
    return Fact(NONE, Signed(PLUS, ZERO), "constant", None, values, Fraction(0), 2)


def dense(values: Signed, lip: Number, smooth: int) -> Fact:
    return Fact(DENSE, Signed(PLUS, REAL), "unknown", None, values, lip, smooth)


def joined(a: Fact, b: Fact) -> str:
    if NONE in (a.off, b.off):
        return b.off if a.off == NONE else a.off
    return a.off if a.off == b.off else DENSE


def add(a: Fact, b: Fact) -> Fact:
    values, off, lip, smooth = a.values.plus(b.values), joined(a, b), a.lip + b.lip, min(a.smooth, b.smooth)
    if a.constant and b.constant:
        return constant(values)
    if off == DENSE:
        return dense(values, lip, smooth)
    own, (p, q) = "unknown", (a.diag, b.diag)
    shifted = a if q.span.zero else b if p.span.zero else None
    if shifted is not None:
        own = shifted.own if shifted.own in ("affine", "onto", "constant") else "unknown"
    elif p.signs == q.signs and (min(p.span.lo, q.span.lo) >= 0 or max(p.span.hi, q.span.hi) <= 0):
        own = "affine" if a.own == b.own == "affine" else "onto" if {a.own, b.own} & {"affine", "onto"} else "unknown"
    return Fact(off, p.plus(q), own, None, values, lip, smooth).settled()


def multiply(a: Fact, b: Fact) -> Fact:
    values, off, smooth = a.values.times(b.values), joined(a, b), min(a.smooth, b.smooth)
    lip = times(a.lip, b.values.span.most) + times(b.lip, a.values.span.most)
    if a.constant and b.constant:
        return constant(values)
    if off == DENSE:
        return dense(values, lip, smooth)
    for one, factor in ((a, b), (b, a)):
        if factor.diag.span.zero:
            own = "constant" if one.diag.span.zero else "unknown"
            if factor.values.span.one_signed and one.own in ("affine", "onto"):
                own = one.own
            return Fact(off, one.diag.times(factor.values), own, None, values, lip, smooth).settled()
    diag = Signed(PLUS, REAL)
    if not any(s.signs or s.span.lo < 0 for f in (a, b) for s in (f.diag, f.values)):
        slope = a.diag.span.by(b.values.span).plus(b.diag.span.by(a.values.span))
        diag = Signed(PLUS, Span(Fraction(0), slope.hi, False, slope.hi_open))
    return Fact(off, diag, "unknown", None, values, lip, smooth).settled()


def inverted(f: Fact) -> Fact:
    if not f.values.span.one_signed:
        raise Refused("a divisor may be 0")
    inverse = f.values.span.inverse()
    square = inverse.by(inverse)
    f = f._replace(values=Signed(f.values.signs, inverse), lip=times(f.lip, square.most))
    own = f.own if f.diag.span.zero else "unknown"
    return f if f.off == DENSE else f._replace(diag=f.diag.minus().times(Signed(PLUS, square)), own=own, image=None)


def total(f: Fact, indices: Sequence[str]) -> Fact:
    if f.constant:
        return constant(f.values.summed(indices))
    if f.off == DENSE:
        return f._replace(values=Signed(PLUS, REAL), lip=inf)
    free = not any(set(where) & set(indices) for _, where in f.diag.signs)
    one_way = f.diag.span.lo >= 0 or f.diag.span.hi <= 0
    own = f.own if free and (f.own == "constant" or (f.own in ("affine", "onto") and one_way)) else "unknown"
    return Fact(f.off, f.diag.summed(indices), own, None, f.values.summed(indices), inf, f.smooth).settled()


def activate(f: Fact, slope: Span, image: Span, values: Span, domain: Span | None, smooth: int) -> Fact:
    if f.constant:
        return constant(Signed(PLUS, values))
    smooth, lip = min(f.smooth, smooth), times(f.lip, slope.most)
    if f.off == DENSE:
        return f._replace(values=Signed(PLUS, values), lip=lip, smooth=smooth)
    monotone = slope.lo >= 0 or slope.hi <= 0
    diag = f.diag.times(Signed(PLUS, slope))
    own, new = "unknown", None
    if f.diag.span.zero:
        own = "constant"
    elif monotone and f.own != "unknown" and domain == (f.image if f.own == "injective" else REAL):
        own, new = ("onto", None) if image == REAL else ("injective", image)
    diag = diag if monotone else Signed(PLUS, diag.span.symmetric())
    return Fact(f.off, diag, own, new, Signed(PLUS, values), lip, smooth).settled()


def normalized(f: Fact, eps: float) -> Fact:
    top, bottom = (1 / Fraction(eps)).as_integer_ratio()
    steepest = Fraction(isqrt((top * bottom) << 200) + 1, bottom << 100)  # above 1 / sqrt(eps)
    values, lip = Signed(PLUS, REAL), times(f.lip, steepest)
    if f.off == DENSE or f.constant:
        return f._replace(values=values, lip=lip)
    own = "unknown" if f.own == "injective" else f.own
    slope = Signed(PLUS, Span(Fraction(0), steepest, True))
    return f._replace(diag=f.diag.times(slope), own=own, image=None, values=values, lip=lip)


def mapped(f: Fact, direction: str | None, strict: bool, diagonal: Signed) -> Fact:
    values = Signed(PLUS, REAL)
    if f.constant:
        return constant(values)
    if direction is None or f.off not in (NONE, direction):
        return dense(values, inf, f.smooth)
    own = "unknown"
    if strict or f.diag.span.zero:
        own = "constant"
    elif f.own in ("affine", "onto") and diagonal.span.one_signed:
        own = f.own
    return Fact(direction, diagonal.times(f.diag), own, None, values, inf, f.smooth)


def negated(f: Fact) -> Fact:
    image = None if f.image is None else f.image.minus()
    return f._replace(diag=f.diag.minus(), values=f.values.minus(), image=image)
