"""Formulas without a value for some input: an argument outside a domain, a divisor that may be 0.

No class of Jacobians describes such a formula, so the walk over it ends there.
"""

from __future__ import annotations

from math import inf

from mintdsl.core.interval import Interval
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.source import Span


class Undefined(Exception):
    """A formula without a value for some input."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.title)
        self.diagnostic = diagnostic


def outside(name: str, argument: Interval, domain: Interval, span: Span) -> Diagnostic:
    inside = "softplus" if domain.hi == inf else "sigmoid"
    return Diagnostic(
        "E0407",
        f"`{name}` is defined on {domain}, its argument takes values in {argument}",
        (Label(span, f"argument in {argument}", primary=True),),
        ("outside its domain the function has no value, so the layer has none",),
        (Fix(f"bring the argument into {domain} first, for example by `{inside}(...)`", text=inside),),
    )


def not_positive(name: str, value: float, span: Span) -> Diagnostic:
    return Diagnostic(
        "E0209",
        f"the option `{name}` must be > 0, here it is {value:g}",
        (Label(span, "not positive", primary=True),),
        ("the facts of the activation hold for positive values only",),
    )


def no_norm(name: str, limit: float, span: Span) -> Diagnostic:
    """A bound of a norm that leaves no room."""
    return Diagnostic(
        "E0701",
        f"`lip <= {limit:g}` of `{name}` holds no room: a norm is bounded by a number > 0",
        (Label(span, "not positive", primary=True),),
        ("the number is the value of a formal of the layer",),
        (Fix("give the formal a number between 0 and 1, such as 0.9"),),
    )


def divides_by_zero(right: object, span: Span) -> Diagnostic:
    """A divisor with values in `right`, one of which is 0."""
    return Diagnostic(
        "E0411",
        "the divisor may be 0",
        (Label(span, f"values in {right}", primary=True),),
        ("rule DIV needs a divisor of one sign that is never 0",),
        (Fix("make it positive: `with diag > 0` on a scale, `exp(...)` around an expression"),),
    )
