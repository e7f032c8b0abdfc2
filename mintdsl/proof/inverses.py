"""How a layer is inverted, from its class: the kinds of inverses that claims name."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core.claim_words import CLOSED, ELEMENTWISE, INVERSES, ITERATIVE, weakest
from mintdsl.proof.jacobian import NONE, Chain, Fibre, Jacobian


def inverse_of(jacobian: Jacobian, parts: Sequence[Jacobian]) -> str:
    """The kind of the inverse of a layer: of its formula, or the weakest of its parts."""
    return weakest(INVERSES, *map(inverse_of_part, parts)) if parts else inverse_kind(jacobian)


def inverse_of_part(jacobian: Jacobian) -> str:
    """How a part is inverted: link by link, splines among them."""
    solved = jacobian.fibre is Fibre.FORMULA and jacobian.off == NONE
    return CLOSED if solved else inverse_kind(jacobian)


def inverse_kind(jacobian: Jacobian) -> str:
    """How a layer of this class, without parts, is inverted."""
    if jacobian.chain is not Chain.NONE:
        return CLOSED  # link by link
    if jacobian.off != NONE:
        return ITERATIVE
    return CLOSED if jacobian.fibre is Fibre.AFFINE else ELEMENTWISE
