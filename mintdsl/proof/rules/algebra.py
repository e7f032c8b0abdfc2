"""Rules for sums, products, compositions and activations: the closure properties of triangular maps."""

from __future__ import annotations

from math import inf

from mintdsl.core.interval import NONNEGATIVE, REAL, Interval, product_above, sum_above
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import (
    DENSE,
    NONE,
    ONTO,
    PLUS,
    Atom,
    Chain,
    Fibre,
    Jacobian,
    Signed,
    Smooth,
    constant,
    family,
    settled,
)
from mintdsl.proof.rules.chain import broken, linked, scaled, shifted
from mintdsl.proof.rules.model import MINTNET, Rule, vec
from mintdsl.proof.rules.modules import apply_map
from mintdsl.records import record, replace
from mintdsl.source import Span


def negate(e: Jacobian) -> Jacobian:
    """Rule NEG."""
    return replace(e, diag=-e.diag, range=-e.range, image=-e.image)


def add(
    left: Jacobian, right: Jacobian, *, span: Span, spans: tuple[Span, Span], op: str = "+", cycle: str = ""
) -> Jacobian:
    """Rule ADD; `right` is already negated for a difference. `cycle` says why directions that mix have no order."""
    values = _plus(left.range, right.range)
    if left.constant and right.constant:
        return constant(values)
    off, why = _joined(left, right, span, spans, "sum", cycle)
    lip, smooth = sum_above(left.lip, right.lip), min(left.smooth, right.smooth)
    if off == DENSE:
        unknown, chain = Signed(PLUS, REAL), shifted(left, right)
        dense = Jacobian(DENSE, unknown, Fibre.UNKNOWN, values, REAL, lip, smooth, dense_why=why, chain=chain)
        return broken(dense, (left, right), span, "both terms of this sum read the variable")
    diag = _plus(left.diag, right.diag)
    lost = None
    if not diag.interval.one_signed and not diag.interval.is_zero:
        lost = _sign_lost(left, right, span, spans, op)
    same_way = left.diag.monomial == right.diag.monomial and (
        (left.diag.interval.nonnegative and right.diag.interval.nonnegative)
        or (left.diag.interval.nonpositive and right.diag.interval.nonpositive)
    )
    fibre, image = _sum_fibre(left, right, same_way)
    lost = left.sign_why or right.sign_why or lost
    return settled(Jacobian(off, diag, fibre, values, image, lip, smooth, sign_why=lost))


def _plus(a: Signed, b: Signed) -> Signed:
    if a.interval.is_zero:
        return b
    if b.interval.is_zero:
        return a
    if a.monomial == b.monomial:
        return Signed(a.monomial, a.interval + b.interval)
    return Signed(PLUS, a.forget().interval + b.forget().interval)


def _joined(
    left: Jacobian, right: Jacobian, span: Span, spans: tuple[Span, Span], what: str, cycle: str
) -> tuple[str, Diagnostic | None]:
    if DENSE in (left.off, right.off):
        return DENSE, left.dense_why or right.dense_why
    if NONE in (left.off, right.off) or left.off == right.off:
        return (right.off if left.off == NONE else left.off), None
    labels = (
        Label(span, f"{left.off} and {right.off} together: dense here", primary=True),
        Label(spans[0], f"{left.off} triangular"),
        Label(spans[1], f"{right.off} triangular"),
    )
    return DENSE, Diagnostic(
        "E0402",
        f"`{left.off}` and `{right.off}` triangular maps in one {what}: the Jacobian is dense",
        labels,
        (
            f"rule {'ADD' if what == 'sum' else 'MUL'} needs both triangular in one order and direction",
            *filter(None, [cycle]),
        ),
        (Fix("make two layers, each triangular, and compose them in a flow: `pair { LowerOne  UpperOne }`"),),
    )


def _sum_fibre(left: Jacobian, right: Jacobian, same_way: bool) -> tuple[Fibre, Interval]:
    pair = (left, right)
    for one, other in (pair, pair[::-1]):
        if other.strict:  # a shift that does not read the own coordinate
            if one.fibre in (*ONTO, Fibre.CONST):
                return one.fibre, REAL
            # a shifted box is one too, but its rounded ends would not be exact
            return Fibre.UNKNOWN, REAL
    if not same_way:
        return Fibre.UNKNOWN, REAL
    if left.fibre is Fibre.AFFINE and right.fibre is Fibre.AFFINE:
        return Fibre.AFFINE, REAL
    if any(e.fibre in ONTO for e in pair):
        return Fibre.ONTO, REAL
    return Fibre.UNKNOWN, REAL


def _sign_lost(left: Jacobian, right: Jacobian, span: Span, spans: tuple[Span, Span], op: str) -> Diagnostic | None:
    a, b = left.diag, right.diag
    if a.interval.is_zero or b.interval.is_zero:
        return None
    if a.monomial == b.monomial:
        opposite = (a.interval.nonnegative and b.interval.nonpositive) or (
            a.interval.nonpositive and b.interval.nonnegative
        )
        if not opposite:
            return None
        return Diagnostic(
            "E0403",
            "the terms of a sum have diagonals of opposite sign",
            (
                Label(spans[1], f"diagonal in {b}" + (" after the minus" if op == "-" else ""), primary=True),
                Label(spans[0], f"diagonal in {a}"),
            ),
            ("the sum is zero wherever the two cancel, so the map may fold space there",),
            (Fix("give both terms one sign" + (": `+` instead of `-`" if op == "-" else "")),),
        )
    free = sorted({str(atom) for atom in a.monomial | b.monomial})
    tie = tie_of(a.monomial ^ b.monomial, same=a.interval.nonnegative == b.interval.nonnegative)
    return Diagnostic(
        "E0404",
        "the signs of the terms of this sum are not tied to each other",
        (
            Label(spans[1], f"diagonal in {b}: the sign depends on {', '.join(free)}", primary=True),
            Label(spans[0], f"diagonal in {a}"),
        ),
        ("terms of different sign can cancel, so the sign of the diagonal is unknown",),
        (Fix(f"bind the signs: `{tie}`", text=tie),),
    )


def tie_of(atoms: frozenset[Atom], *, same: bool = True) -> str:
    """The tie that gives the product of `atoms` the sign +, or - where it stands against the other term."""
    factors = [f"diag({family(name, indices)})" for name, indices in sorted(atoms)]
    return f"tie {' * '.join(factors)} {'>=' if same else '<='} 0"


def total(body: Jacobian, indices: tuple[str, ...], *, span: Span) -> Jacobian:
    """Rule SUM over `indices`, each with at least one value."""
    if body.constant:
        return constant(_times_extent(_free_of(body.range, indices)))
    if body.off == DENSE:
        dense = replace(body, range=Signed(PLUS, REAL), lip=inf, chain=Chain.NONE)
        return broken(dense, (body,), span, "a sum over an index is no link")
    free = _free_of(body.diag, indices)
    lost = None
    if free != body.diag:
        tie = tie_of(body.diag.monomial)
        varying = sorted(str(a) for a in body.diag.monomial if set(a.indices) & set(indices))
        lost = Diagnostic(
            "E0404",
            "the signs in this sum are not tied to each other",
            (Label(span, f"each term has its own sign: {' * '.join(varying)}", primary=True),),
            ("terms of different sign can cancel, so the sign of the diagonal of the sum is unknown",),
            (Fix(f"bind the signs of all factors along the path: `{tie}`, with the maps that follow", text=tie),),
        )
    fibre = body.fibre if free == body.diag and body.fibre in (*ONTO, Fibre.CONST) else Fibre.UNKNOWN
    one_way = body.diag.interval.nonnegative or body.diag.interval.nonpositive
    if fibre in ONTO and not one_way:
        fibre = Fibre.UNKNOWN
    if fibre is Fibre.FORMULA:  # a sum of several
        fibre = Fibre.ONTO
    values = _times_extent(_free_of(body.range, indices))
    diag, why = _times_extent(free), body.sign_why or lost
    return settled(Jacobian(body.off, diag, fibre, values, smooth=body.smooth, sign_why=why))


def _free_of(signed: Signed, indices: tuple[str, ...]) -> Signed:
    return signed.forget() if any(set(a.indices) & set(indices) for a in signed.monomial) else signed


def _times_extent(signed: Signed) -> Signed:
    i = signed.interval
    lo = i.lo if i.lo >= 0 else -float("inf")
    hi = i.hi if i.hi <= 0 else float("inf")
    return Signed(signed.monomial, Interval(lo, hi, i.lo_open, i.hi_open))


@record
class ActFacts:
    """What rule ACT needs of h: bounds of its slope, its image of R (and of the range at hand), domain, smoothness."""

    name: str
    slope: Interval
    image: Interval
    values: Interval
    domain: Interval
    smooth: Smooth


def activate(e: Jacobian, h: ActFacts, *, span: Span, declared: Span | None) -> Jacobian:
    """Rule ACT: the class of h(e)."""
    values = Signed(PLUS, h.values)
    if e.constant:
        return constant(values)
    slope = h.slope
    lip, smooth = product_above(e.lip, slope.magnitude), min(e.smooth, h.smooth)
    if e.off == DENSE:
        chain = e.chain
        if not (slope.one_signed and h.domain == REAL and h.image == REAL):
            chain = Chain.NONE
        dense = replace(e, range=values, lip=lip, smooth=smooth, chain=linked(chain, preserving=slope.unit))
        return broken(dense, (e,), span, f"`{h.name}` has slopes in {slope} and values in {h.image}")
    monotone = slope.nonnegative or slope.nonpositive
    diag = e.diag * Signed(PLUS, slope)  # of either sign under the same monomial: only a sum may have to forget it
    lost = None if monotone or e.strict else _not_monotone(h, span, declared)
    fibre, image = Fibre.UNKNOWN, REAL
    if e.strict:
        fibre = Fibre.CONST
    elif monotone and e.fibre in (*ONTO, Fibre.IMAGE) and h.domain == (e.image if e.fibre is Fibre.IMAGE else REAL):
        # only where h meets its whole domain is its image known exactly
        image = h.image
        fibre = Fibre.ONTO if image == REAL else Fibre.IMAGE
    return settled(Jacobian(e.off, diag, fibre, values, image, lip, smooth, sign_why=e.sign_why or lost))


def _not_monotone(h: ActFacts, span: Span, declared: Span | None) -> Diagnostic:
    also = (Label(declared, "declared here"),) if declared is not None else ()
    return Diagnostic(
        "E0406",
        f"the activation `{h.name}` is not monotone: its slope lies in {h.slope}",
        (Label(span, "the sign of the diagonal is lost here", primary=True), *also),
        ("rule ACT needs a slope that never changes its sign; `mint list activations` shows the slopes",),
        (Fix("use a monotone activation, such as elu, leaky_relu, softplus or tanh"),),
    )


def multiply(left: Jacobian, right: Jacobian, *, span: Span, spans: tuple[Span, Span], cycle: str = "") -> Jacobian:
    """Rule MUL; `cycle` says why directions that mix have no order."""
    values = left.range * right.range
    if left.constant and right.constant:
        return constant(values)
    off, why = _joined(left, right, span, spans, "product", cycle)
    lip = sum_above(
        product_above(left.lip, right.range.interval.magnitude), product_above(right.lip, left.range.interval.magnitude)
    )
    whole = Jacobian(
        off, Signed(PLUS, REAL), Fibre.UNKNOWN, values, lip=lip, smooth=min(left.smooth, right.smooth), dense_why=why
    )
    if off == DENSE:
        label = "both factors read the variable" if not (left.constant or right.constant) else "the factor may be 0"
        return broken(replace(whole, chain=scaled(left, right)), (left, right), span, label)
    for own, factor in ((left, right), (right, left)):
        if factor.strict:
            diag = own.diag * factor.range
            fibre = Fibre.CONST if own.strict else Fibre.UNKNOWN
            if factor.range.interval.one_signed and own.fibre in ONTO:
                fibre = own.fibre
            lost = None
            if not own.strict and not factor.range.interval.one_signed and not factor.range.interval.is_zero:
                lost = _factor_sign(factor, span, spans, left is own)
            return settled(replace(whole, diag=diag, fibre=fibre, sign_why=left.sign_why or right.sign_why or lost))
    plain = not (left.range.monomial or right.range.monomial or left.diag.monomial or right.diag.monomial)
    growing = all(e.range.interval.nonnegative and e.diag.interval.nonnegative for e in (left, right))
    if plain and growing:
        diag = Signed(PLUS, left.diag.interval * right.range.interval + right.diag.interval * left.range.interval)
        return settled(replace(whole, diag=Signed(PLUS, diag.interval.hull(NONNEGATIVE))))
    lost = Diagnostic(
        "E0410",
        "both factors read the own coordinate: the sign of the diagonal is lost",
        (
            Label(span, "product of two maps of the same coordinate", primary=True),
            Label(spans[0], left.describe()),
            Label(spans[1], right.describe()),
        ),
        ("rule MUL needs one factor that is constant or strict, or both increasing with values >= 0",),
        (Fix("make one factor strict: `linear strict lower`, `conv 3x3 strict lower`"),) if off != NONE else (),
    )
    return replace(whole, sign_why=left.sign_why or right.sign_why or lost)


def _factor_sign(factor: Jacobian, span: Span, spans: tuple[Span, Span], factor_is_right: bool) -> Diagnostic:
    place = spans[1] if factor_is_right else spans[0]
    return Diagnostic(
        "E0401",
        "the diagonal of the Jacobian may vanish: a factor can be 0",
        (Label(place, f"values in {factor.range}", primary=True),),
        ("rule MUL: the diagonal is multiplied by the values of the factor",),
        (Fix("bound the factor away from 0: `with diag > 0` on a scale, `exp(...)` around an expression"),),
    )


def reciprocal(e: Jacobian) -> Jacobian:
    """1 / e for an `e` whose values have one sign: (1/b - 1/a) / (b - a) = -slope / (e(a) e(b))."""
    inverse = e.range.interval.reciprocal()
    square = inverse * inverse
    values = Signed(e.range.monomial, inverse)
    fibre = e.fibre if e.strict else Fibre.UNKNOWN
    lip = product_above(e.lip, square.magnitude)
    if e.off == DENSE:
        return replace(e, range=values, lip=lip, chain=Chain.NONE)
    return replace(e, range=values, diag=-e.diag * Signed(PLUS, square), fibre=fibre, image=REAL, lip=lip)


PROPOSITION = MINTNET + ", Proposition 1"

ADD = Rule(
    "ADD",
    "e1 : triangular k, diag in m [a, b];  e2 : triangular k, diag in m [c, d]   =>   "
    "e1 + e2 : triangular k, diag in m [a + c, b + d]",
    "one order and direction; equal sign monomials, otherwise both signs are forgotten first",
    PROPOSITION + " (addition)",
    add,
    vec("  param t : scale with diag > 0\n  param W : linear lower with diag >= 0\n  map x -> t * x + W(x)"),
    vec("  param t : scale with diag > 0\n  param W : linear lower with diag >= 0\n  map x -> t * x - W(x)"),
)
NEG = Rule(
    "NEG",
    "e : diag in m [a, b]   =>   -e : diag in m [-b, -a]",
    "none",
    PROPOSITION,
    negate,
    vec("  map x -> -(-x)"),
    vec("  map x -> -x"),
)
SUM = Rule(
    "SUM",
    "e[i] : triangular k, diag in m [a, b], m free of i   =>   "
    "sum[i](e[i]) : triangular k, diag in m [a, inf) for a >= 0",
    "the index has at least one value; a sign that depends on i is forgotten first",
    PROPOSITION + " (addition, repeated)",
    total,
    "mint 1\nlayer Example(K: Nat) on Vec[D] ensures lower, diag > 0, invertible {\n  index i : K\n"
    "  param W[i] : linear lower with diag > 0\n  map x -> sum[i](W[i](x))\n}\n",
    "mint 1\nlayer Example(K: Nat) on Vec[D] ensures lower, diag > 0, invertible {\n  index i : K\n"
    "  param W[i] : linear lower with diag != 0\n  map x -> sum[i](W[i](x))\n}\n",
)
COMP = Rule(
    "COMP",
    "e : triangular k, diag in D;  g : triangular k, diag in E   =>   g(e) : triangular k, diag in E D",
    "one order and direction for both; otherwise the result is dense",
    PROPOSITION + " (composition)",
    apply_map,
    vec("  param A, B : linear lower with diag > 0\n  map x -> A(B(x))"),
    vec("  param A : linear lower with diag > 0\n  param B : linear upper with diag > 0\n  map x -> A(B(x))"),
)
ACT = Rule(
    "ACT",
    "e : diag in m D;  h elementwise with slope in [a, b]   =>   h(e) : diag in m D [a, b], same class",
    "slopes are bounds of all difference quotients on the range of e; where a < 0 < b the product has either sign",
    PROPOSITION + " (composition with an elementwise function)",
    activate,
    vec("  param t : scale with diag > 0\n  map x -> t * x + tanh(x)"),
    vec("  param t : scale with diag > 0\n  map x -> t * x + sin(x)"),
)
MUL = Rule(
    "MUL",
    "e1 : triangular k, diag in D;  e2 : strict k or constant, values in m [a, b]   =>   "
    "e1 e2 : triangular k, diag in m [a, b] D",
    "e2 does not read the own coordinate; where both do, all values and slopes must be >= 0",
    "product rule on difference quotients; Dinh, Sohl-Dickstein, Bengio, Real NVP, ICLR 2017, arXiv:1605.08803",
    multiply,
    vec("  param W : linear strict lower\n  map x -> x * exp(W(x))"),
    vec("  param W : linear lower\n  map x -> x * exp(W(x))"),
)
DIV = Rule(
    "DIV",
    "e1 / e2 = e1 (1 / e2) by MUL, where e2 : diag in D, values in m [a, b]   =>   1 / e2 : diag in -D / [a, b]^2",
    "the values of e2 have one sign and are never 0",
    "rule MUL; quotient rule on difference quotients",
    reciprocal,
    vec("  param W : linear strict lower\n  map x -> x / (1 + sigmoid(W(x)))"),
    vec("  param W : linear strict lower\n  map x -> x / W(x)"),
)

RULES = (ADD, NEG, SUM, COMP, ACT, MUL, DIV)
