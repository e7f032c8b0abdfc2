"""Claims that hold in place of one that does not: the repair that changes no formula."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core import ir
from mintdsl.core.interval import Interval
from mintdsl.diagnostics.model import Edit, Fix, Safety
from mintdsl.proof.jacobian import DENSE, NONE, Jacobian
from mintdsl.proof.rules.flows import Bijection


def weaker(
    claim: ir.Claim, claims: Sequence[ir.Claim], jacobian: Jacobian, bijection: Bijection | None
) -> tuple[Fix, ...]:
    """The claim of the same kind that is proved, if there is one and it is not made already."""
    text = ""
    match claim.what:
        case "invertible" | "onto" if bijection is not None:
            text = "injective"
        case "diag" if jacobian.off != DENSE:
            text = _of_diagonal(jacobian.diag.interval, plain=not jacobian.diag.monomial)
        case "diagonal" | "lower" | "upper" if jacobian.off not in (DENSE, NONE):
            text = jacobian.off
        case _:
            pass
    return (instead(claim, text, f"claim what is proved: `{text}`"),) if text and text not in map(str, claims) else ()


def instead(claim: ir.Claim, text: str, title: str) -> Fix:
    """The fix that writes `text` in place of `claim`: the network stays, what is promised of it does not."""
    return Fix(title, (Edit(claim.span, text),), Safety.UNSAFE)


def _of_diagonal(interval: Interval, *, plain: bool) -> str:
    """The strongest claim about a diagonal in `interval`, times signs unless it is plain."""
    if plain and interval.lo > 0 and not interval.lo_open and float(f"{interval.lo:g}") == interval.lo:
        return "diag == 1" if interval.lo == interval.hi == 1 else f"diag >= {interval.lo:g}"
    if plain and interval.positive:
        return "diag > 0"
    return "diag != 0" if interval.one_signed else ""
