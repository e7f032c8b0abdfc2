"""Claims against what is proved: whether each follows, and if not, the place where its cause lies."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.interval import REAL
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.jacobian import DENSE, NONE, Jacobian
from mintdsl.proof.rules.flows import Bijection
from mintdsl.records import replace


def blame_of(layer: ir.Layer, jacobian: Jacobian, bijection: Bijection | None) -> Diagnostic | None:
    """The first cause that the diagonal, or triangularity, is not what I-TRI needs."""
    if bijection is not None:
        return None
    if jacobian.off == DENSE:
        return jacobian.dense_why or jacobian.sign_why
    if jacobian.sign_why is not None:
        return jacobian.sign_why
    return _vanishing(layer, jacobian)


def _vanishing(layer: ir.Layer, jacobian: Jacobian) -> Diagnostic:
    span = layer.result.span
    notes = (f"the diagonal lies in {jacobian.diag}, which holds 0",)
    return Diagnostic(
        "E0401",
        "the diagonal of the Jacobian may vanish",
        (Label(span, f"diagonal in {jacobian.diag}: 0 is possible", primary=True),),
        notes,
        (
            Fix(
                "add a positive scale of the input: `t * x + ...` with `param t : scale with diag > 0`, "
                "or strengthen a parameter"
            ),
        ),
    )


def check_claim(
    layer: ir.Layer, claim: ir.Claim, jacobian: Jacobian, bijection: Bijection | None, blame: Diagnostic | None
) -> Diagnostic | None:
    """The diagnostic of a claim that does not hold, blaming the place where its cause lies."""
    why = _fails(claim, jacobian, bijection)
    if why is None:
        return None
    label = Label(claim.span, f"so the claim `{claim}` cannot be proved")
    cause = blame
    if claim.what not in ("invertible", "injective", "volume_preserving", "diag"):
        cause = jacobian.dense_why
    if claim.what == "diag" and jacobian.off != DENSE and jacobian.sign_why is None:
        cause = _diagonal_cause(layer, claim, jacobian)
    if cause is not None:
        return replace(cause, labels=(*cause.labels, label))
    code = "E0602" if bijection is not None and claim.what == "invertible" else "E0601"
    fixes: tuple[Fix, ...] = ()
    if code == "E0602":
        fixes = (Fix("add a positive scale of the input: `t * x + ...`; or claim `injective`"),)
    return Diagnostic(
        code,
        f"`{claim}` is not proved: {why}",
        (Label(claim.span, why, primary=True), Label(layer.result.span, jacobian.describe())),
        (),
        fixes,
    )


def _diagonal_cause(layer: ir.Layer, claim: ir.Claim, jacobian: Jacobian) -> Diagnostic | None:
    if jacobian.diag.interval.one_signed and jacobian.diag.monomial and claim.cmp != "!=":
        free = ", ".join(str(a) for a in sorted(jacobian.diag.monomial))
        return Diagnostic(
            "E0404",
            "the sign of the diagonal depends on free signs of parameters",
            (Label(layer.result.span, f"diagonal in {jacobian.diag}", primary=True),),
            (f"free: {free}",),
            (Fix("claim `diag != 0`, or constrain the parameter: `with diag > 0`"),),
        )
    return _vanishing(layer, jacobian) if not jacobian.diag.interval.one_signed else None


def _fails(claim: ir.Claim, jacobian: Jacobian, bijection: Bijection | None) -> str | None:
    """Why the claim does not follow; None when it does."""
    interval, plain = jacobian.diag.interval, not jacobian.diag.monomial
    dense = "the Jacobian is dense" if jacobian.off == DENSE else None
    match claim.what:
        case "invertible":
            if bijection is None:
                return dense or f"the diagonal lies in {jacobian.diag}"
            if bijection.codomain is None or bijection.codomain != REAL:
                return f"injective, but not onto R^D: {bijection.why_not_onto}"
            return None
        case "injective":
            return None if bijection is not None else dense or f"the diagonal lies in {jacobian.diag}"
        case "diagonal":
            return None if jacobian.off == NONE else f"the Jacobian is {jacobian.off}"
        case "volume_preserving":
            ones = plain and interval.lo == 1 == interval.hi or interval.lo == -1 == interval.hi
            return None if ones and dense is None else f"the diagonal lies in {jacobian.diag}"
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
            if jacobian.off not in (NONE, direction):
                return dense or f"the Jacobian is {jacobian.off} triangular"
            if claim.strict and not jacobian.strict:
                return f"the diagonal lies in {jacobian.diag}, strict means 0"
            return None
