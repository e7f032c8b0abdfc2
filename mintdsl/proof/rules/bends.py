"""The rule of elementwise bijections with parameters: what bends a coordinate must not read it, nor one after it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mintdsl.core.bijections import BIJECTIONS, Bijection
from mintdsl.core.interval import REAL
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, NONE, PLUS, Fibre, Jacobian, Signed, Smooth
from mintdsl.proof.rules.algebra import ActFacts, activate
from mintdsl.proof.rules.model import Rule
from mintdsl.records import replace
from mintdsl.source import Span


def bend(
    e: Jacobian,
    params: Sequence[Jacobian],
    info: Bijection,
    options: Sequence[float],
    *,
    own: Sequence[bool],
    spans: Sequence[Span],
) -> Jacobian:
    """Rule ACT-P: the class of a bijection of each element of e; `spans` are its own, then those of its parameters.

    `own` tells of each parameter whether its numbers stand at the positions of the elements that they bend. Then it
    may read the variable strictly in one direction, that of e: with the coordinates before p held fixed the numbers of
    element p are fixed too, and what holds of one bijection with fixed parameters holds of x_p -> f_p.

    A spline. Let s be the height of a bin over its width, t the place in it, p and q the slopes at its
    ends, f the floor. Bins are shares of at least f, and so s is from f to 1 / f, as p and q are. With u = 1 - t the
    slope is

        s^2 A / B^2,  A = p u^2 + q t^2 + 2 s t u,  B = s (t^2 + u^2) + (p + q) t u.

    Above: B >= s / 2, and A, a mean of p, q and s, is at most 1 / f. Below: B = (a t) (a u + s t / a) + (b u) (b t +
    s u / b) with a^2 = q, b^2 = p, so B^2 <= A C with C = (a u + s t / a)^2 + (b t + s u / b)^2 (Cauchy, Schwarz).
    These are squares of means: C <= u q + t s^2 / q + t p + u s^2 / p <= (1 + s^2) / f. So the slope is at least
    f s^2 / (1 + s^2) >= f^3 / (1 + f^2) >= f^3 / 2. Outside of the bins it is 1.

    A mixture. F, a mean with weights > 0 of distribution functions of logistics, has a derivative > 0 everywhere and
    takes each value of (0, 1), as the logit does of R; both are analytic. With one logistic the slope is exp(-s), and
    between two that lie far apart it comes as near to 0 as one likes.
    """
    span = spans[0]
    if all(param.constant for param in params):
        smooth = Smooth.ANALYTIC if info.analytic else Smooth.C1
        facts = ActFacts(info.name, info.slope(*options), REAL, REAL, REAL, smooth)
        found = activate(e, facts, span=span, declared=None)
        solved = info.formula and e.fibre in (Fibre.AFFINE, Fibre.FORMULA) and found.fibre is Fibre.ONTO
        return replace(found, fibre=Fibre.FORMULA) if solved else found
    way = next(param.off for param in params if not param.constant)
    kept = [p.constant or (o and p.strict and p.off == way != DENSE) for p, o in zip(params, own, strict=True)]
    if all(kept) and not e.constant and e.off in (NONE, way):
        facts = ActFacts(info.name, info.slope(*options), REAL, REAL, REAL, Smooth.KINKS)
        return replace(activate(e, facts, span=span, declared=None), off=way, lip=math.inf)
    blamed = [p.constant for p in params] if all(kept) else kept
    unknown = Signed(PLUS, REAL)
    why = _reads(info, span, spans[1 + blamed.index(False)])
    return Jacobian(DENSE, unknown, Fibre.UNKNOWN, unknown, smooth=Smooth.KINKS, dense_why=why)


def _reads(info: Bijection, span: Span, reading: Span) -> Diagnostic:
    return Diagnostic(
        "E0415",
        f"the parameters of this `{info.name}` read what it bends",
        (Label(reading, "depends on the variable", primary=True), Label(span, "bent here")),
        (
            "rule ACT-P: each element is bent by a bijection of its own, which must not change with that element",
            "parameters may read earlier elements only, or later ones only, as what is bent does: of a Vec, from a net "
            "whose last maps are strict and whose results are in spaces with `degrees = own`",
        ),
        (Fix("split the variable, and let a net make the parameters of one part from the others"),),
    )


def _example(parameters: str) -> str:
    net = "net Bins from Vec[D] to (Vec[4 * D], Vec[4 * D], Vec[3 * D]) {\n"
    net += "  param W, K : linear from Vec[D] to Vec[4 * D]\n  param S : linear from Vec[D] to Vec[3 * D]\n"
    net += "  map x -> (W(x), K(x), S(x))\n}\n"
    layer = "layer Example on Vec[D] ensures invertible {\n  space Half = Vec[D / 2]\n"
    layer += "  param n : net Bins from Half to (Vec[2 * D], Vec[2 * D], Vec[3 * D / 2])\n  map x {\n"
    layer += f"    let (a, b) = split(x, halves)\n    let (w, k, d) = n({parameters})\n"
    layer += "    return join(a, rq_spline(b, widths = w, heights = k, slopes = d))\n  }\n}\n"
    return f"mint 1\n{net}{layer}"


def _slope(name: str) -> str:
    return BIJECTIONS[name].slope_text


ACT_P = Rule(
    "ACT-P",
    "e : diag in m D;  w, k, d constant   =>   h(e; w, k, d) : diag in m D S, each fibre onto R where that of e is;  "
    "e : diagonal or triangular t;  w, k, d : constant or strict t   =>   the same, triangular t;  "
    f"of rq_spline S = {_slope('rq_spline')}, C1, of mix_logistic S = {_slope('mix_logistic')}, analytic",
    "w, k and d do not read what e reads; or, of a Vec, those of an element stand at its position and read positions "
    "before it, in the one direction t. Splines: 0 < floor, bins floor < 1, at least two bins; shares of the "
    "interval are at least floor, slopes at knots from floor to 1 / floor, and 1 at the ends, where the identity goes "
    "on. Mixtures: weights and scales > 0",
    "Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, NeurIPS 2019, arXiv:1906.04032, equations 4 to 8; "
    "Gregory, Delbourgo, Piecewise rational quadratic interpolation to monotonic data, IMA J. Numer. Anal. 2, 1982; "
    "Ho, Chen, Srinivas, Duan, Abbeel, Flow++, ICML 2019, arXiv:1902.00275, equations 11 to 13",
    bend,
    _example("a"),
    _example("b"),
)
RULES = (ACT_P,)
