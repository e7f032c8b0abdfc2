"""Claims against what is proved: whether each follows, and if not, the place where its cause lies."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from mintdsl.core import ir
from mintdsl.core.claim_words import EXACT, INVERSES, LOG_DETS, at_least
from mintdsl.core.interval import REAL, number
from mintdsl.core.norms import EUCLIDEAN, in_norm
from mintdsl.core.orders import Order
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, NONE, Jacobian
from mintdsl.proof.rules.algebra import tie_of
from mintdsl.proof.rules.flows import Bijection, Passage
from mintdsl.proof.weaker import instead, weaker
from mintdsl.records import record, replace
from mintdsl.source import Span


def blame_of(layer: ir.Layer, jacobian: Jacobian, bijection: Bijection | None) -> Diagnostic | None:
    """The first cause that the diagonal, or triangularity, is not what I-TRI needs."""
    if bijection is not None:
        return None
    if jacobian.off == DENSE:
        return jacobian.sign_why or jacobian.dense_why  # where it was lost as a bijection, else as a triangle
    if jacobian.sign_why is not None:
        return jacobian.sign_why
    return _vanishing(layer, jacobian)


def _vanishing(layer: ir.Layer, jacobian: Jacobian) -> Diagnostic:
    span = layer.result.span
    fix = Fix("add a positive scale of the input: `t * x + ...` with `param t : scale with diag > 0`")
    return Diagnostic(
        "E0401",
        "the diagonal of the Jacobian may vanish",
        (Label(span, f"diagonal in {jacobian.diag}: 0 is possible", primary=True),),
        ("rule I-TRI needs a diagonal of one sign that is never 0",),
        (fix,) if jacobian.diag.interval.nonnegative else (),
    )


@record
class Proved:
    """What follows of a layer; `found` is the order of the triangle when it is not the declared one, `parts` are the
    classes of its parts, each in itself; Lipschitz constants are those in the norm of the order `norm`."""

    jacobian: Jacobian
    bijection: Bijection | None
    inverse: str
    preserving: bool
    found: Order | None = None
    parts: tuple[Jacobian, ...] = ()
    norm: float = EUCLIDEAN


def check_claim(layer: ir.Layer, claim: ir.Claim, proved: Proved, blame: Diagnostic | None) -> Diagnostic | None:
    """The diagnostic of a claim that does not hold, blaming the place where its cause lies."""
    jacobian, bijection = proved.jacobian, proved.bijection
    if claim.what == "diag" and proved.parts and jacobian.off != DENSE:
        each = [check_claim(layer, claim, replace(proved, jacobian=own, parts=()), blame) for own in proved.parts]
        return next((problem for problem in each if problem is not None), None)
    why = _fails(claim, proved)
    if why is None:
        return None
    label = Label(claim.span, f"so the claim `{claim}` cannot be proved")
    match claim.what:
        case "invertible" | "injective" | "onto" | "volume_preserving" | "log_det":
            cause = blame
        case "inverse" if claim.word:
            cause = blame
        case "lip" if jacobian.lip < inf:
            cause = None  # there is a bound, and it is too large
        case "diag":
            dense_or_lost = jacobian.off == DENSE or jacobian.sign_why is not None
            cause = blame if dense_or_lost else _diagonal_cause(layer, claim, jacobian)
        case _:
            cause = jacobian.dense_why
    if cause is not None:
        return replace(cause, labels=(*cause.labels, label))
    code = "E0602" if bijection is not None and claim.what in ("invertible", "onto") else "E0601"
    fixes = weaker(claim, layer.claims, jacobian, bijection)
    if code == "E0602" and jacobian.diag.interval.positive and not jacobian.diag.monomial:
        fixes = (*fixes, Fix("or add a positive scale of the input: `t * x + ...`"))
    return Diagnostic(
        code,
        f"`{claim}` is not proved: {why}",
        (Label(claim.span, "claimed here", primary=True), Label(layer.result.span, jacobian.describe())),
        (),
        fixes,
    )


def _diagonal_cause(layer: ir.Layer, claim: ir.Claim, jacobian: Jacobian) -> Diagnostic | None:
    if jacobian.diag.interval.one_signed and jacobian.diag.monomial and claim.cmp != "!=":
        free, tie = ", ".join(str(a) for a in sorted(jacobian.diag.monomial)), tie_of(jacobian.diag.monomial)
        return Diagnostic(
            "E0404",
            "the sign of the diagonal depends on free signs of parameters",
            (Label(layer.result.span, f"diagonal in {jacobian.diag}", primary=True),),
            (f"nothing binds {free}",),
            (
                *weaker(claim, layer.claims, jacobian, None),
                Fix("or constrain the parameter: `with diag > 0`", text=tie),
            ),
        )
    return _vanishing(layer, jacobian) if not jacobian.diag.interval.one_signed else None


def _fails(claim: ir.Claim, proved: Proved) -> str | None:
    """Why the claim does not follow; None when it does."""
    jacobian, bijection = proved.jacobian, proved.bijection
    interval, plain = jacobian.diag.interval, not jacobian.diag.monomial
    dense = "the Jacobian is dense" if jacobian.off == DENSE else None
    match claim.what:
        case "invertible" | "onto":
            if bijection is None:
                return dense or f"the diagonal lies in {jacobian.diag}"
            if bijection.codomain != REAL:
                return f"injective, but not onto R^D: {bijection.why_not_onto}"
            return None
        case "injective":
            return None if bijection is not None else dense or f"the diagonal lies in {jacobian.diag}"
        case "log_det":
            if bijection is None:
                return dense or f"the diagonal lies in {jacobian.diag}"
            return None if at_least(LOG_DETS, EXACT, claim.word) else f"the log-determinant is {EXACT}"
        case "inverse" if claim.word:  # without a kind, the name of a formal direction
            if bijection is None:
                return dense or f"the diagonal lies in {jacobian.diag}"
            return None if at_least(INVERSES, proved.inverse, claim.word) else f"the inverse is {proved.inverse}"
        case "lip":
            if jacobian.lip < inf and proved.norm != EUCLIDEAN and jacobian.off != NONE:
                return f"the Lipschitz bound is {number(jacobian.lip)}{in_norm(proved.norm)}, the claim of the 2-norm"
            return _too_steep(claim, jacobian.lip)
        case "diagonal":
            return None if jacobian.off == NONE else f"the Jacobian is {jacobian.off}"
        case "volume_preserving":
            return (
                None
                if proved.preserving
                else "a link changes volumes"
                if jacobian.chain
                else dense or f"the diagonal lies in {jacobian.diag}"
            )
        case "diag":
            if dense:
                return dense
            holds = {
                ">": plain and interval.positive,
                ">=": plain and interval.lo >= claim.value,
                "!=": interval.one_signed,
                "==": plain and interval.lo == claim.value == interval.hi,
            }[claim.cmp]
            return None if holds else f"the diagonal lies in {jacobian.diag}"
        case direction:
            if proved.found is not None and jacobian.off != NONE and dense is None:
                return (
                    f"the Jacobian is triangular in the order {proved.found}, which was found, not in the declared one"
                )
            if jacobian.off not in (NONE, direction):
                return dense or f"the Jacobian is {jacobian.off} triangular"
            if claim.strict and not jacobian.strict:
                return f"the diagonal lies in {jacobian.diag}, strict means 0"
            return None


def _too_steep(claim: ir.Claim, lip: float) -> str | None:
    if lip < claim.value or (claim.cmp == "<=" and lip == claim.value):
        return None
    return f"the Lipschitz bound is {number(lip)}"


def flow_claim(
    claim: ir.Claim, bijection: Bijection | None, passage: Passage, log_det: str, lost: Mapping[str, Span]
) -> Diagnostic | None:
    """The diagnostic of a claim that does not hold of a flow whose steps have no error of their own."""
    fixes: tuple[Fix, ...] = ()
    why, code = "", "E0601"
    match claim.what:
        case _ if bijection is None:
            why = "a step is not invertible"
        case "invertible" | "onto" if bijection is not None and bijection.codomain != REAL:
            why, code = f"injective, but not onto: {bijection.why_not_onto}", "E0602"
            fixes = (instead(claim, "injective", "claim `injective`: log_prob stays, sample raises"),)
        case "volume_preserving" if not passage.preserving:
            why = "a step changes volume"
        case "log_det" if not at_least(LOG_DETS, log_det, claim.word):
            why = ": ".join(filter(None, [f"the log-determinant is {LOG_DETS[log_det]}", passage.absent]))
        case "inverse" if not at_least(INVERSES, passage.inverse, claim.word):
            why = f"the inverse is {passage.inverse}"
        case "lip":
            why = _too_steep(claim, passage.lip) or ""
        case _:
            pass
    if not why:
        return None
    label, step = Label(claim.span, "claimed here", primary=True), lost.get("onto" if code == "E0602" else claim.what)
    also = (Label(step, "lost at this step"),) if step is not None and bijection is not None else ()
    return Diagnostic(code, f"`{claim}` is not proved: {why}", (label, *also), (), fixes)
