"""The rule for Cayley maps, (I - g)(I + g)^-1 with lip(g) < 1: bijections without a triangle, as steep as they like."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, nextafter

from mintdsl.core.interval import REAL, product_above, sum_above
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.jacobian import DENSE, PLUS, Chain, Fibre, Jacobian, Signed
from mintdsl.proof.rules.model import Rule
from mintdsl.proof.rules.residual import SHOWN, factor_label, factors_of, shown_bound
from mintdsl.proof.undefined import Undefined
from mintdsl.records import replace
from mintdsl.source import Span


def cayley(
    branch: Jacobian,
    derivation: Derivation,
    span: Span,
    lets: Mapping[str | Span, Derivation],
    mixed: tuple[str, ...] = (),
) -> Jacobian:
    """Rule CAYLEY: (I - g)(I + g)^-1, g the branch. Undefined where nothing shows lip(g) < 1.

    `mixed` says so where maps are bounded in several norms.
    """
    if not branch.lip < 1:
        raise Undefined(_steep(derivation, branch.lip, span, lets, mixed))
    own, lip = Signed(PLUS, REAL), steepest(branch.lip)
    dense = Jacobian(DENSE, own, Fibre.UNKNOWN, own, REAL, lip, branch.smooth, chain=Chain.BIJECTION)
    return replace(dense, dense_why=_not_triangular(span))


def steepest(contraction: float) -> float:
    """A bound of (1 + L) / (1 - L), which both directions of a Cayley map have, L < 1."""
    inverse = nextafter(1.0 / nextafter(1.0 - contraction, 0.0), inf)
    return product_above(sum_above(1.0, contraction), inverse)


def _steep(
    branch: Derivation, lip: float, span: Span, lets: Mapping[str | Span, Derivation], mixed: tuple[str, ...]
) -> Diagnostic:
    """Why a branch is no contraction, with its factors."""
    found = factors_of(branch, lets)
    found.sort(key=lambda item: (item[0].subject.end, item[0].subject.start))
    labels = [Label(node.subject, factor_label(node, own)) for node, own in found[:SHOWN] if node.subject != span]
    labels += [Label(node.free, "no bound here") for node, _ in found if node.free is not None]
    bound = "no bound" if lip == inf else f"the bound {shown_bound(lip)}"
    free = any(own == inf for _, own in found) or lip == inf
    how = "bound every map of the branch" if free else "lower the bounds until their product is below 1"
    return Diagnostic(
        "E0416",
        f"the branch of this Cayley map is no contraction: its Lipschitz constant has {bound}",
        (Label(span, "(I - g)(I + g)^-1 needs lip(g) < 1", primary=True), *labels),
        ("rule CAYLEY: where lip(g) < 1 for all weights, I + g and I - g are bijections; else I + g may fold", *mixed),
        (Fix(f"{how}: `with lip <= 0.9`"),),
    )


def _not_triangular(span: Span) -> Diagnostic:
    """Why a Cayley map has no triangular Jacobian."""
    return Diagnostic(
        "E0409",
        "a Cayley map is dense: its Jacobian is not triangular",
        (Label(span, "dense here", primary=True),),
        ("it is invertible all the same: claim `invertible`, not a direction",),
    )


def _example(limit: str) -> str:
    return (
        "mint 1\nnet Branch from Vec[D] to Vec[D] {\n"
        f"  param V : linear from Vec[D] to Vec[8] with lip <= {limit}\n"
        f"  param W : linear from Vec[8] to Vec[D] with lip <= {limit}\n  map x -> W(tanh(V(x)))\n}}\n"
        "layer Example on Vec[D] ensures invertible {\n  param n : net Branch\n  map x -> cayley(n)(x)\n}\n"
    )


CAYLEY = Rule(
    "CAYLEY",
    "g : R^D -> R^D, lip(g) <= L < 1   =>   (I - g)(I + g)^-1 : bijection of R^D, inverse (I + g)(I - g)^-1, "
    "log|det J| = log det(I - G) - log det(I + G), G the Jacobian of g at w = (I + g)^-1 x; lip of it and of its "
    "inverse <= (1 + L) / (1 - L)",
    "the bound holds for all weights, and for every context, in one norm: that of the maps, 2, 1 or inf; w is found by "
    "a contraction, both ways",
    "Banach's fixed-point theorem; Ahn, Kim, Hong, Kim, Invertible Monotone Operators for Normalizing Flows, NeurIPS "
    "2022, arXiv:2210.08176 (there sqrt(2) w - x with w = (I + g)^-1(sqrt(2) x), which is the Cayley map of "
    "g(sqrt(2) u) / sqrt(2))",
    cayley,
    _example("0.9"),
    _example("1.1"),
)
RULES = (CAYLEY,)
