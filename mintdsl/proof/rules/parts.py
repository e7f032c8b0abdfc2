"""Rules for variables that are cut into parts: each part's own map, and the parts put together."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from math import inf

from mintdsl.core.interval import REAL, ZERO, Interval
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import DENSE, NONE, PARTS, PLUS, Chain, Fibre, Jacobian, Signed, Smooth, constant
from mintdsl.proof.rules.chain import composed
from mintdsl.proof.rules.flows import Bijection, triangular
from mintdsl.proof.rules.model import Rule
from mintdsl.records import record, replace
from mintdsl.source import Span


@record
class Part:
    """What becomes of one part, the others held fixed: its class, the other parts that its formula reads."""

    name: str
    jacobian: Jacobian
    reads: tuple[str, ...]
    span: Span
    derivation: Derivation


def joined(parts: Sequence[Part]) -> tuple[Jacobian, Bijection | None, Diagnostic | None]:
    """Rule JOIN: the class of the whole, what it is a bijection of, and the cause if it is none."""
    names = [p.name for p in parts]
    circle = _circle(parts)
    if circle:
        unknown = Signed(PLUS, REAL)
        why = _reads_in_a_circle(parts, circle)
        return Jacobian(DENSE, unknown, Fibre.UNKNOWN, unknown, smooth=Smooth.KINKS, dense_why=why), None, why
    own = [p.jacobian for p in parts]
    earlier = all(names.index(r) < k for k, p in enumerate(parts) for r in p.reads)
    later = all(names.index(r) > k for k, p in enumerate(parts) for r in p.reads)
    off = _direction({j.off for j in own}, earlier, later)
    dense_why = next((j.dense_why for j in own if j.off == DENSE), None)
    monomials = {j.diag.monomial for j in own}
    diags = [j.diag if len(monomials) == 1 else j.diag.forget() for j in own]
    ranges = [j.range.forget().interval for j in own]
    whole = Jacobian(
        off,
        Signed(diags[0].monomial, hull([d.interval for d in diags])) if off != DENSE else Signed(PLUS, REAL),
        Fibre.UNKNOWN,
        Signed(PLUS, hull(ranges)),
        lip=inf if any(p.reads for p in parts) else max(j.lip for j in own),
        smooth=min(j.smooth for j in own),
        dense_why=dense_why,
        sign_why=next((j.sign_why for j in own if j.sign_why is not None), None),
    )
    bijections = [composed(j) if j.off == DENSE else triangular(j) for j in own]
    for part, one in zip(parts, bijections, strict=True):
        if one is None:
            return whole, None, _own_map(part)
    found = [b for b in bijections if b is not None]
    images = {b.codomain for b in found}
    image = found[0].codomain if len(images) == 1 else None
    short = [f"part `{p.name}`: {b.why_not_onto}" for p, b in zip(parts, found, strict=True) if b.why_not_onto]
    reason = "" if image == REAL else (*short, "its parts have different images")[0]
    return whole, Bijection(REAL, image, reason), None


def hull(intervals: Sequence[Interval]) -> Interval:
    """The least interval around all of them."""
    result = intervals[0]
    for interval in intervals[1:]:
        result = result.hull(interval)
    return result


def _direction(own: set[str], earlier: bool, later: bool) -> str:
    """The direction of the whole in the order of the parts as they are written."""
    if DENSE in own:
        return DENSE
    if earlier and later and own == {NONE}:
        return NONE
    if earlier and own <= {NONE, "lower"}:
        return "lower"
    return "upper" if later and own <= {NONE, "upper"} else PARTS


def _circle(parts: Sequence[Part]) -> list[str]:
    try:
        TopologicalSorter({p.name: p.reads for p in parts}).prepare()
    except CycleError as error:
        return [str(name) for name in error.args[1]]
    return []


def _reads_in_a_circle(parts: Sequence[Part], circle: Sequence[str]) -> Diagnostic:
    by_name = {p.name: p for p in parts}
    way = " reads ".join(f"`{name}`" for name in reversed(circle))
    labels = []
    for k, name in enumerate(dict.fromkeys(circle)):
        read = ", ".join(f"`{r}`" for r in by_name[name].reads)
        labels.append(Label(by_name[name].span, f"what becomes of `{name}` reads {read}", primary=not k))
    return Diagnostic(
        "E0412",
        f"parts read each other in a circle: {way}",
        tuple(labels),
        ("rule JOIN needs an order of the parts in which each reads itself and those before it",),
        (Fix("couple in two layers: one changes the first part, the next one the other"),),
    )


def _own_map(part: Part) -> Diagnostic:
    jacobian = part.jacobian
    if jacobian.constant:
        return Diagnostic(
            "E0413",
            f"what stands in the place of `{part.name}` does not read `{part.name}`",
            (Label(part.span, f"constant in `{part.name}`", primary=True),),
            ("rule JOIN needs a map of each part that is one to one, the other parts held fixed",),
            (Fix(f"put what becomes of `{part.name}` there; a part that stays as it is is written by its name"),),
        )
    cause = jacobian.sign_why or (jacobian.dense_why if jacobian.off == DENSE else None)
    if cause is not None:
        return cause
    return Diagnostic(
        "E0401",
        f"the diagonal of the map of `{part.name}` may vanish",
        (Label(part.span, f"diagonal in {jacobian.diag}: 0 is possible", primary=True),),
        ("rule JOIN needs a map of each part that is one to one, the other parts held fixed",),
        (Fix("make the factor positive: `exp(...)`, `sigmoid(...)`, or a scale `with diag > 0`"),),
    )


def placed(e: Jacobian, span: Span, *, spread: bool) -> Jacobian:
    """Rule PICK: entries at other places; of what reads the variable nothing remains known but the values."""
    values = Signed(PLUS, e.range.forget().interval.hull(ZERO)) if spread else e.range
    if e.constant:
        return constant(values)
    why = Diagnostic(
        "E0409",
        "`spread` and `pick` of what reads the part itself: nothing proves it invertible",
        (Label(span, "dense from here on", primary=True),),
        ("rule PICK holds for what does not read the part",),
        (Fix("apply it to the other parts only"),),
    )
    unknown = Signed(PLUS, REAL)
    dense = replace(e, off=DENSE, diag=unknown, fibre=Fibre.UNKNOWN, image=REAL, range=values)
    return replace(dense, dense_why=e.dense_why or why, chain=Chain.NONE)


_COUPLING = "Dinh, Krueger, Bengio, NICE, ICLR 2015 workshop, arXiv:1410.8516, section 3.2"

JOIN = Rule(
    "JOIN",
    "y_k = f_k(x_k; the parts that y_k reads), each f_k(.; rest) a bijection   =>   "
    "(y_1, ..., y_n) is a bijection, log|det J| = sum_k log|det df_k/dx_k|",
    "the graph of which part reads which has no circle; each f_k is a bijection onto one fixed box for every value of "
    "the other parts; every part once, in its own place",
    _COUPLING + "; Nagar, Dufraisse, Varma, CInC Flow, 2021, arXiv:2107.01358 (quad-coupling)",
    joined,
    "mint 1\nlayer Example on Vec[D] ensures lower, diag > 0, invertible {\n  map x {\n"
    "    let (a, b) = split(x, halves)\n    return join(a, b * exp(tanh(a)) + a)\n  }\n}\n",
    "mint 1\nlayer Example on Vec[D] ensures invertible {\n  map x {\n"
    "    let (a, b) = split(x, halves)\n    return join(a + tanh(b), b * exp(tanh(a)))\n  }\n}\n",
)
PICK = Rule(
    "PICK",
    "e : constant in x_k   =>   spread(e), pick(e, part) : constant in x_k",
    "what reads the part itself becomes dense",
    "Dinh, Sohl-Dickstein, Bengio, Real NVP, ICLR 2017, arXiv:1605.08803, section 3.4 (masks)",
    placed,
    "mint 1\nlayer Example on Image[C, H, W] ensures invertible {\n  param W : conv 3x3\n  map x {\n"
    "    let (a, b) = split(x, checkerboard)\n    return join(a, b + pick(W(spread(a)), b))\n  }\n}\n",
    "mint 1\nlayer Example on Image[C, H, W] ensures invertible {\n  param W : conv 3x3\n  map x {\n"
    "    let (a, b) = split(x, checkerboard)\n    return join(a, pick(W(spread(b)), b))\n  }\n}\n",
)
RULES = (JOIN, PICK)
