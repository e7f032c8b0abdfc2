"""The rule for residual sums, h(x) + g(x): bijections because g is flatter than h, with no triangle in sight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from mintdsl.core.interval import ZERO, number
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import DENSE, NONE, Chain, Jacobian, Split
from mintdsl.proof.rules.model import Rule
from mintdsl.records import replace
from mintdsl.source import Span

SHOWN = 6
"""Factors of a bound that a message points at."""


def of_a_term(fact: Jacobian) -> Split:
    """An expression that is no sum: h alone where it reads each coordinate alone, else g alone."""
    if fact.off == NONE:
        return Split(fact.diag.forget().interval, 0.0)
    return Split(ZERO, fact.lip)


def split_of(term: Derivation, lets: Mapping[str | Span, Derivation]) -> Split:
    """A term of a sum, which may be a sum itself."""
    assert term.fact is not None
    stated = lets[term.subject] if term.rule == "LET" else term
    return stated.split or of_a_term(term.fact)


def residual(total: Jacobian, split: Split) -> Jacobian | None:
    """Rule RES: `total`, the dense class of a sum by rule ADD, as a bijection; None where it does not follow."""
    if total.off != DENSE or total.chain is not Chain.NONE or not split.bijective:
        return None
    return replace(total, chain=Chain.BIJECTION, sign_why=None)


def steep(
    whole: Derivation, split: Split, lets: Mapping[str | Span, Derivation], mixed: tuple[str, ...] = ()
) -> Diagnostic | None:
    """Why a sum is not residual: the shares of its terms, or the factors of the only one.

    `mixed` says so where its maps are bounded in several norms. None where it has no term like x, or none of its maps
    has a bound of its norm.
    """
    if not split.least > 0:
        return None
    shares = [(node, node.fact.lip) for node in _terms(whole, lets) if node.fact is not None and node.fact.off != NONE]
    factors = [found for node, _ in shares for found in factors_of(node, lets)]
    if not any("lip <=" in node.note for node, _ in factors):
        return None
    if split.own.magnitude == inf:
        return _unbounded(whole.subject, split)
    shown = shares if len(shares) > 1 else factors
    shown.sort(key=lambda item: (item[0].subject.end, item[0].subject.start))
    labels = [Label(node.subject, factor_label(node, own, term=len(shares) > 1)) for node, own in shown[:SHOWN]]
    labels += [Label(node.free, "no bound here") for node, _ in factors if node.free is not None]
    bound = "no bound" if split.rest == inf else f"the bound {shown_bound(split.rest)}"
    if any(own == inf for _, own in factors):
        how = "bound every map of the branch"
    elif len(shares) > 1:
        how = f"lower the bounds until their sum is below {shown_bound(split.least)}"
    else:
        how = f"lower the bounds until their product is below {shown_bound(split.least)}"
    plain = split.own.unit
    what = "is no contraction" if plain else f"is as steep as the rest of the sum, whose slopes lie in {split.own}"
    needed = "x + g(x) needs lip(g) < 1" if plain else f"h(x) + g(x) needs lip(g) < {shown_bound(split.least)}"
    return Diagnostic(
        "E0416",
        f"the branch of this residual sum {what}: its Lipschitz constant has {bound}",
        (Label(whole.subject, needed, primary=True), *labels),
        (
            f"rule RES: where {'lip(g) < 1' if plain else 'h is steeper than g'} for all weights, "
            f"{'x' if plain else 'h(x)'} + g(x) is a bijection; else it may fold",
            *mixed,
        ),
        (Fix(f"{how}: `with lip <= {0.9 * min(1.0, split.least) / len(shares):.2g}`"),),
    )


def _unbounded(span: Span, split: Split) -> Diagnostic:
    return Diagnostic(
        "E0416",
        "the terms of one coordinate in this residual sum have slopes without a bound from above",
        (Label(span, f"slopes in {split.own}", primary=True),),
        ("rule RES: h(x) + g(x) is inverted by steps that are divided by the middle of the slopes of h",),
        (Fix("bound the scale: `with diag >= 1, diag <= 2`"),),
    )


def _terms(whole: Derivation, lets: Mapping[str | Span, Derivation]) -> Iterator[Derivation]:
    """The terms of a sum."""
    stack = [whole]
    while stack:
        node = stack.pop()
        if node.rule in ("ADD", "RES", "NEG"):
            stack += node.premises
        elif node.rule == "LET":
            stack.append(lets[node.subject])
        else:
            yield node


def factors_of(branch: Derivation, lets: Mapping[str | Span, Derivation]) -> list[tuple[Derivation, float]]:
    """The nodes that make a term steeper or flatter, and by how much."""
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
        elif len(before) > 1 and (node.fact.lip == inf or "lip <=" in node.note):
            factors.append((node, node.fact.lip / max(before)))
    return factors


def factor_label(node: Derivation, own: float, *, term: bool = False) -> str:
    """The label of a factor, or of a term."""
    if term:
        return f"lip: {shown_bound(own)}"
    name, colon, _ = node.note.partition(":")
    return f"{name}: {shown_bound(own)}" if colon else shown_bound(own)


def shown_bound(value: float) -> str:
    """A bound as messages show it."""
    return "no bound" if value == inf else number(float(f"{value:.6g}"))


def _example(limit: str) -> str:
    return (
        "mint 1\nlayer Example on Vec[D] ensures invertible {\n"
        f"  param V : linear from Vec[D] to Vec[8] with lip <= {limit}\n"
        f"  param W : linear from Vec[8] to Vec[D] with lip <= {limit}\n  map x -> x + W(tanh(V(x)))\n}}\n"
    )


RES = Rule(
    "RES",
    "h elementwise, slopes in [m, M];  lip(g1) + ... + lip(gn) <= L < m   =>   h(x) + g1(x) + ... + gn(x) : bijection "
    "of R^D, (m - L)^D <= |det J| <= (M + L)^D, lip(inverse) <= 1 / (m - L); for x + g(x) m = M = 1",
    "the bounds hold for all weights, and for every context, in one norm: that of the maps, 2, 1 or inf; M < inf; "
    "slopes of one sign, in [-M, -m] likewise",
    "Banach's fixed-point theorem; Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen, Invertible Residual Networks, ICML "
    "2019, arXiv:1811.00995, theorem 1 (x + g(x)); Zarantonello, Solving functional equations by contractive "
    "averaging, 1960 (x - f(x) / d with d = (m + M) / 2 has the constant ((M - m) / 2 + L) / d < 1)",
    residual,
    _example("0.9"),
    _example("1.2"),
)
RULES = (RES,)
