"""The rules of the calculus, a second time: what follows for an expression from the facts of its parts.

`proof/rules/` states and cites them; here they stand as short as they can be read, on exact intervals. Each conclusion
holds whenever the facts that it is drawn from hold, so a weaker fact may stand in a certificate than follows. All
expressions are continuous: a function x_p -> f_p whose quotients stay away from 0 takes all values of R.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf, isqrt
from typing import NamedTuple

from mintdsl.proof.kernel.exact import ANY, NONNEGATIVE, ONE, PLUS, REAL, ZERO, Number, Signed, Span, above, plus, times
from mintdsl.proof.kernel.facts import Elementwise
from mintdsl.proof.kernel.reading import Json, Refused, read_number, read_signed, read_span

NONE, DENSE = "<diagonal>", "<dense>"
ONTO = ("affine", "formula", "onto")


class Fact(NamedTuple):
    """What holds of an expression f for all inputs x and all admissible values of the parameters.

    `off`: which x_q other than x_p the value f_p depends on: NONE; those before p in a direction of the layer's order;
    DENSE, any. `diag` has all quotients (f_p(x) - f_p(y)) / (x_p - y_p) for x and y that differ at p alone, its signs
    the same for all of them. `own` tells of the functions x_p -> f_p, all else held fixed: "constant"; "affine",
    a x_p + b with a != 0; "onto", each takes all values of R; "formula", the same, of splines and affine functions;
    "injective", each takes those of `image` and no others; "unknown". `values` has all f_p(x). `lip` bounds the
    Lipschitz constant in the norm of the layer's maps. `smooth`: 2 analytic, 1 C1, 0 neither. `chain`, where `off` is
    DENSE: 1, it is a bijection of R^D; 2, one that keeps volumes; 0, perhaps not.
    """

    off: str
    diag: Signed
    own: str
    image: Span | None
    values: Signed
    lip: Number
    smooth: int
    chain: int = 0

    @property
    def strict(self) -> bool:
        """Whether f_p does not depend on x_p."""
        return self.diag.span.zero

    @property
    def constant(self) -> bool:
        """Whether it does not depend on x."""
        return self.off == NONE and self.strict

    @property
    def chained(self) -> int:
        """What `chain` says, of a triangular one too: rule I-TRI."""
        whole = self.diag.span.one_signed and self.met == REAL
        return self.chain if self.off == DENSE else whole + (whole and self.diag.span.unit)

    @property
    def met(self) -> Span | None:
        """The values that each function x_p -> f_p takes, where they are the same for all."""
        return REAL if self.own in ONTO else self.image

    def settled(self) -> Fact:
        """With what its parts say of each other."""
        if self.off == DENSE:
            return self._replace(diag=ANY, own="unknown", image=None)
        if self.chain:
            return self._replace(chain=0).settled()
        if self.constant:
            return constant(self.values)
        if self.strict:
            return self._replace(own="constant", image=None)
        away = self.diag.span.lo > 0 or self.diag.span.hi < 0
        return self._replace(own="onto", image=None) if away and self.own not in ONTO else self

    def allows(self, found: Fact) -> bool:
        """Whether what was found implies this."""
        return (
            self.off == found.off
            and self.diag.allows(found.diag)
            and (self.own, self.image) in (("unknown", None), (found.own, found.image))
            and self.values.allows(found.values)
            and self.lip >= found.lip
            and self.smooth in range(found.smooth + 1)
            and self.chain in range(found.chain + 1)
        )


def read_fact(value: Json) -> Fact:
    """A fact as it stands in a certificate."""
    chain = value.get("chain", 0)
    if set(value) - {"chain"} != {"off", "diag", "own", "image", "range", "lip", "smooth"}:
        raise Refused("a fact has other parts than it should")
    if type(value["smooth"]) is not int or type(chain) is not int:
        raise Refused("a fact has a part of another form than it should")
    image = None if value["image"] is None else read_span(value["image"])
    diag, values = read_signed(value["diag"]), read_signed(value["range"])
    return Fact(value["off"], diag, value["own"], image, values, read_number(value["lip"]), value["smooth"], chain)


VARIABLE = Fact(NONE, Signed(PLUS, ONE), "affine", None, ANY, Fraction(1), 2)


def constant(values: Signed) -> Fact:
    """Rule CONST: what does not depend on x."""
    return Fact(NONE, Signed(PLUS, ZERO), "constant", None, values, Fraction(0), 2)


def joined(a: Fact, b: Fact) -> str:
    """What a function of both depends on."""
    if b.off in (NONE, a.off):
        return a.off
    return b.off if a.off == NONE else DENSE


def add(a: Fact, b: Fact) -> Fact:
    """Rule ADD. Where both functions x_p -> f_p go one way, the sum is onto if one of them is."""
    p, q, kinds = a.diag, b.diag, {a.own, b.own}
    own = "unknown"
    if a.strict or b.strict:  # a shift that does not read x_p
        own = b.own if a.strict else a.own
    elif p.signs == q.signs and (min(p.span.lo, q.span.lo) >= 0 or max(p.span.hi, q.span.hi) <= 0):
        own = "affine" if kinds == {"affine"} else "onto" if kinds & set(ONTO) else "unknown"
    own = own if own in ONTO else "unknown"
    smooth, chain = min(a.smooth, b.smooth), a.chain if b.constant else b.chain if a.constant else 0
    values, lip = a.values.plus(b.values), plus(a.lip, b.lip)
    return Fact(joined(a, b), p.plus(q), own, None, values, lip, smooth, chain).settled()


def multiply(a: Fact, b: Fact) -> Fact:
    """Rule MUL: quotients of a product are a' b + b' a, where a' or b' is 0 if it does not read x_p."""
    diag = a.diag.times(b.values).plus(b.diag.times(a.values))
    one, factor = (b, a) if a.strict else (a, b)
    kept = one.own in ONTO and factor.strict and factor.values.span.one_signed
    lip = plus(times(a.lip, b.values.span.most), times(b.lip, a.values.span.most))
    values, smooth, chain = a.values.times(b.values), min(a.smooth, b.smooth), 0
    for fixed, other in ((a, b), (b, a)):
        if fixed.constant and fixed.values.span.one_signed:
            chain = min(other.chain, 1 + fixed.values.span.unit)
    return Fact(joined(a, b), diag, one.own if kept else "unknown", None, values, lip, smooth, chain).settled()


def negated(f: Fact) -> Fact:
    """Rule NEG."""
    image = None if f.image is None else f.image.minus()
    return f._replace(diag=f.diag.minus(), values=f.values.minus(), image=image)


def subtract(a: Fact, b: Fact) -> Fact:
    """Rule ADD of a negated term."""
    return add(a, negated(b))


def inverted(f: Fact) -> Fact:
    """1 / f: its quotients are -f' / (f f), where f has one sign."""
    if not f.values.span.one_signed:
        raise Refused("a divisor may be 0")
    inverse = f.values.span.inverse()
    square = inverse.by(inverse)
    diag, values = f.diag.minus().times(Signed(PLUS, square)), Signed(f.values.signs, inverse)
    return Fact(f.off, diag, "unknown", None, values, times(f.lip, square.most), f.smooth).settled()


def divide(a: Fact, b: Fact) -> Fact:
    """Rule DIV."""
    return multiply(a, inverted(b))


def total(f: Fact, indices: Sequence[str]) -> Fact:
    """Rule SUM, over indices with at least one value each."""
    free = not any(set(where) & set(indices) for _, where in f.diag.signs)
    own = f.own if f.own in ONTO and free and f.diag.span.one_way else "unknown"
    own = "onto" if own == "formula" else own
    return Fact(f.off, f.diag.summed(indices), own, None, f.values.summed(indices), inf, f.smooth).settled()


def activate(f: Fact, h: Elementwise) -> Fact:
    """Rule ACT."""
    own, image = "unknown", None
    if h.slope.one_way and f.met is not None and f.met == h.domain:  # then h takes exactly the values of its image
        own, image = ("onto", None) if h.image == REAL else ("injective", h.image)
    diag, values = f.diag.times(Signed(PLUS, h.slope)), Signed(PLUS, h.values)
    onto = h.slope.one_signed and h.domain == h.image == REAL
    chain = min(f.chain, onto + (onto and h.slope.unit))
    return Fact(f.off, diag, own, image, values, times(f.lip, h.slope.most), min(f.smooth, h.smooth), chain).settled()


def bent(f: Fact, params: Sequence[Fact], own: Sequence[bool], slope: Span, smooth: int, *, solved: bool) -> Fact:
    """Rule ACT-P: a bijection of each f_p whose parameters do not depend on x; `solved`, its inverse is a formula.

    Or, where `own` says that the parameters of f_p stand at p, they depend on x before p only, as f_p does besides x_p.
    """
    if all(p.constant for p in params):
        found = activate(f, Elementwise(slope, REAL, REAL, REAL, smooth))
        kept = solved and found.own == "onto" and f.own in ("affine", "formula")
        return found._replace(own="formula") if kept else found
    way = {p.off for p in params if not p.constant}
    placed = all(p.constant or (at and p.strict) for p, at in zip(params, own, strict=True))
    if placed and len(way) == 1 and DENSE not in way and not f.constant and f.off in way | {NONE}:
        return activate(f, Elementwise(slope, REAL, REAL, REAL, 0))._replace(off=way.pop(), lip=inf, chain=0)
    return Fact(DENSE, ANY, "unknown", None, ANY, inf, 0).settled()


def normalized(f: Fact, eps: Fraction) -> Fact:
    """Rule BN: (f - mean) / sqrt(var + eps), var >= 0."""
    top, bottom = (1 / eps).as_integer_ratio()
    steepest = Fraction(isqrt((top * bottom) << 200) + 1, bottom << 100)  # above 1 / sqrt(eps)
    own = f.own if f.own in ONTO else "unknown"
    diag = f.diag.times(Signed(PLUS, Span(Fraction(0), steepest, True)))
    return Fact(f.off, diag, own, None, ANY, times(f.lip, steepest), f.smooth, min(f.chain, 1)).settled()


def permuted(f: Fact) -> Fact:
    """Rule PERM: entries of f elsewhere; signs are those of an entry, so nothing is known of them."""
    values = Signed(PLUS, f.values.forgotten)
    return constant(values) if f.constant else Fact(DENSE, ANY, "unknown", None, values, f.lip, f.smooth, f.chained)


def network(arguments: Sequence[Fact], strict: Sequence[str | None], lip: Number) -> Fact:
    """Rule NET: `strict` has the direction in which each argument is read, "" for not at all, None for not known.

    `lip` bounds how steep it is.
    """
    read = [(f.off, way) for f, way in zip(arguments, strict, strict=True) if not f.constant and way != ""]
    ways = {way for _, way in read}
    if not read:
        return constant(ANY)
    if len(ways) == 1 and None not in ways and {off for off, _ in read} <= ways | {NONE}:
        return Fact(str(read[0][1]), Signed(PLUS, ZERO), "constant", None, ANY, lip, 0)
    return Fact(DENSE, ANY, "unknown", None, ANY, lip, 0)


class Terms(NamedTuple):
    """An expression as h + g: h_p depends on x_p alone, with all quotients in `own`, and `rest` bounds lip(g).

    Of a Cayley map `branch` bounds how steep its branch is.
    """

    own: Span
    rest: Number
    branch: Number | None = None

    def plus(self, other: Terms) -> Terms:
        """Sums."""
        return Terms(self.own.plus(other.own), plus(self.rest, other.rest))

    def minus(self) -> Terms:
        """Negated."""
        return Terms(self.own.minus(), self.rest)

    @property
    def contraction(self) -> Number:
        """With d amid the slopes of h, a bound of the norm of I - J / d: less than 1 where rule RES holds."""
        lo, hi = Fraction(self.own.lo), Fraction(self.own.hi)
        return above(((hi - lo) / 2 + Fraction(self.rest)) / abs((lo + hi) / 2))

    @property
    def residual(self) -> bool:
        """Rule RES: with slopes of h in [m, M], or in [-M, -m], and lip(g) < m <= M < inf it is a bijection."""
        return self.rest < max(self.own.lo, -self.own.hi) and self.own.most < inf


def term(f: Fact) -> Terms:
    """What is no sum: h alone, or g alone."""
    return Terms(f.diag.forgotten, Fraction(0)) if f.off == NONE else Terms(ZERO, f.lip)


def mapped(f: Fact, direction: str | None, diagonal: Signed, norm: Number = inf) -> Fact:
    """Rules BASIC and COMP: a masked map with this diagonal after f; without a direction the map is dense.

    `norm` bounds that of a map without a direction.

    Rule DET: then `diagonal` has the determinant of a square one. What is dense may be a bijection: rule CHAIN.
    """
    chain = min(f.chained, 1 + diagonal.span.unit) if diagonal.span.one_signed else 0
    off = direction if direction is not None and f.off in (NONE, direction) else DENSE
    own = f.own if f.own in ONTO and diagonal.span.one_signed else "unknown"
    lip = times(f.lip, norm) if direction is None and norm < inf else inf
    return Fact(NONE if f.constant else off, diagonal.times(f.diag), own, None, ANY, lip, f.smooth, chain).settled()


def exponential(f: Fact, norm: Number) -> Fact:
    """Rule EXP: exp(M) after f, M of a norm of at most `norm` <= 4: undone by exp(-M), no steeper than exp(norm).

    Of exp(norm) the terms after the 64th are less than the last one that is added.
    """
    if f.constant:
        return constant(ANY)
    steepest, term = Fraction(1), Fraction(1)
    for k in range(1, 64):
        term = term * Fraction(norm) / k
        steepest += term
    return Fact(DENSE, ANY, "unknown", None, ANY, times(f.lip, above(steepest + term)), f.smooth, min(f.chained, 1))


def cayley(f: Fact) -> Fact:
    """Rule CAYLEY: (I - f)(I + f)^-1, f no steeper than L < 1, is a bijection, no steeper than (1 + L) / (1 - L)."""
    if not f.lip < 1:
        raise Refused("the branch of a Cayley map is no contraction")
    lip = Fraction(f.lip)
    return Fact(DENSE, ANY, "unknown", None, ANY, above((1 + lip) / (1 - lip)), f.smooth, 1)


def placed(f: Fact, zeros: bool) -> Fact:
    """Rule PICK: entries at other places, or with zeros between them."""
    values = Signed(PLUS, f.values.forgotten.hull(ZERO)) if zeros else f.values
    return constant(values) if f.constant else f._replace(off=DENSE, values=values, chain=0).settled()


def tied(sign: int, others: Sequence[Signed]) -> Signed:
    """Rule TIE: the diagonal of a pivot is |raw| times `sign` and the signs of the other factors."""
    result = Signed(PLUS, NONNEGATIVE if sign > 0 else NONNEGATIVE.minus())
    for other in others:
        result = result.times(other.direction)
    return result
