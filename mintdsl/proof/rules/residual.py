"""The rule for residual sums, x + g(x): bijections because g is a contraction, with no triangle in sight."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from mintdsl.core.interval import number
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import DENSE, NONE, Chain, Jacobian
from mintdsl.proof.rules.model import Rule
from mintdsl.records import replace
from mintdsl.source import Span

SHOWN = 6
"""Factors of a bound that a message points at."""


def branch_of(left: Jacobian, right: Jacobian) -> Jacobian | None:
    """The branch of a sum or difference whose other term is x or -x, up to a constant; None where neither is."""
    for own, branch in ((left, right), (right, left)):
        if own.off == NONE and own.diag.interval.unit and not own.diag.monomial:
            return branch
    return None


def residual(total: Jacobian, left: Jacobian, right: Jacobian) -> Jacobian | None:
    """Rule RES: `total`, the dense class of a sum of these terms by rule ADD, as a bijection; None where it does not
    follow."""
    branch = branch_of(left, right)
    if branch is None or total.off != DENSE or total.chain is not Chain.NONE or not branch.lip < 1:
        return None
    return replace(total, chain=Chain.BIJECTION, sign_why=None)


def steep(branch: Derivation, lets: Mapping[str | Span, Derivation], span: Span) -> Diagnostic | None:
    """Why a branch is no contraction: the factors of its bound. None where none of its maps has a bound of its norm."""
    factors: list[tuple[Derivation, float]] = []
    stack = [branch]
    while stack:
        node = stack.pop()
        stack += [lets[node.subject]] if node.rule == "LET" else node.premises
        before = [p.fact.lip for p in node.premises if p.fact is not None and not p.fact.constant]
        if node.fact is None or not before or max(before) in (0.0, inf):
            continue
        if len(before) == 1 and (node.fact.lip != before[0] or "lip <=" in node.note):
            factors.append((node, node.fact.lip / before[0]))
        elif len(before) > 1 and node.fact.lip == inf:
            factors.append((node, inf))
    if not any("lip <=" in node.note for node, _ in factors):
        return None
    factors.sort(key=lambda item: (item[0].subject.end, item[0].subject.start))
    labels = [Label(node.subject, _factor(node, own)) for node, own in factors[:SHOWN]]
    assert branch.fact is not None
    bound = "no bound" if branch.fact.lip == inf else f"the bound {_shown(branch.fact.lip)}"
    free = any(own == inf for _, own in factors)
    how = "bound every map of the branch" if free else "lower the bounds until their product is below 1"
    return Diagnostic(
        "E0416",
        f"the branch of this residual sum is no contraction: its Lipschitz constant has {bound}",
        (Label(span, "x + g(x) needs lip(g) < 1", primary=True), *labels),
        ("rule RES: where lip(g) < 1 for all weights, x + g(x) is a bijection; else it may fold",),
        (Fix(f"{how}: `with lip <= 0.9`"),),
    )


def _factor(node: Derivation, own: float) -> str:
    name, colon, _ = node.note.partition(":")
    return f"{name}: {_shown(own)}" if colon else _shown(own)


def _shown(value: float) -> str:
    return "no bound" if value == inf else number(float(f"{value:.6g}"))


def _example(limit: str) -> str:
    return (
        "mint 1\nlayer Example on Vec[D] ensures invertible {\n"
        f"  param V : linear from Vec[D] to Vec[8] with lip <= {limit}\n"
        f"  param W : linear from Vec[8] to Vec[D] with lip <= {limit}\n  map x -> x + W(tanh(V(x)))\n}}\n"
    )


RES = Rule(
    "RES",
    "g : lip(g) <= L < 1   =>   x + g(x) : bijection of R^D, (1 - L)^D <= det J <= (1 + L)^D, lip(inverse) <= "
    "1 / (1 - L)",
    "L bounds g in the 2-norm for all weights, and for every context; the other term is x or -x, up to a constant",
    "Banach's fixed-point theorem; Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, Invertible Residual Networks, "
    "ICML 2019, arXiv:1811.00995, theorem 1",
    residual,
    _example("0.9"),
    _example("1.2"),
)
RULES = (RES,)
