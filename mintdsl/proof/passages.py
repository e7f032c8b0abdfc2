"""Passages and bijections of flows in words, and the bounds of repeated ones."""

from __future__ import annotations

from math import inf

from mintdsl.core.interval import REAL, Interval, product_above
from mintdsl.core.nat import Nat
from mintdsl.proof.rules.flows import Bijection, Passage


def in_words(bijection: Bijection | None) -> str:
    """A bijection in words."""
    if bijection is None:
        return "nothing is proved"
    if bijection.codomain is None:
        return f"injective only: {bijection.why_not_onto}"
    if bijection.domain == REAL and bijection.codomain == REAL:
        return "bijection of R^D"
    return (
        f"bijection of {bijection.domain}^D onto {'R^D' if bijection.codomain == REAL else f'{bijection.codomain}^D'}"
    )


def boxes(passage: Passage) -> tuple[Interval | None, Interval | None, Interval]:
    """The boxes at both ends of a passage, which say what the next step meets."""
    return passage.domain, passage.image, passage.inside


def power(lip: float, count: Nat) -> float:
    """A bound of `lip` to the power of a number of copies that may not be known."""
    if lip == 1.0:
        return 1.0
    if count.constant is None or count.constant > 10_000:
        return inf if lip > 1.0 else lip
    total = 1.0
    for _ in range(count.constant):
        total = product_above(total, lip)
    return total
