"""In which norm a definition bounds its maps: each by the parametrisation of its `with lip <= c`, all in one of three.

Sums, compositions and functions of single entries have a Lipschitz constant in each of these norms, but one map has its
bound in one of them only. So the constants of a layer are followed in the norm of its maps, where that is one for all.
"""

from __future__ import annotations

from math import inf

from mintdsl.core import ir
from mintdsl.core.constraints import kept_by

EUCLIDEAN = 2.0
WORDS = {1.0: "the 1-norm", EUCLIDEAN: "the 2-norm", inf: "the maximum norm"}
"""What messages call the norms, by their order."""


def norm_of_map(param: ir.Param) -> float | None:
    """The order of the norm that a constraint bounds; None without one, and of a scale: that has a bound in each."""
    if param.bound is None or not param.limited or isinstance(param.kind, ir.Elementwise):
        return None
    return kept_by("lip", "<=", param.bound.via).norm


def norms_of(definition: ir.Layer | ir.Net) -> frozenset[float]:
    """The orders of all norms that its maps, and those of its nets, have bounds in."""
    found: set[float] = set()
    work, seen = [definition], {id(definition)}
    while work:
        here = work.pop()
        found |= {order for param in here.params if (order := norm_of_map(param)) is not None}
        below = {id(kind.net): kind.net for _, kind in ir.net_params(here) if id(kind.net) not in seen}
        seen |= set(below)
        work += below.values()
    return frozenset(found)


def in_norm(order: float | None) -> str:
    """What follows a bound in this norm; nothing after one in the 2-norm, which goes without saying."""
    return "" if order is None or order == EUCLIDEAN else f" in {WORDS[order]}"


def mixed_norms(definition: ir.Layer | ir.Net) -> tuple[str, ...]:
    """A note where maps are bounded in several norms: what the others have no bound in."""
    found = norms_of(definition)
    if len(found) < 2:
        return ()
    named = " and ".join(f"in {WORDS[order]}" for order in sorted(found))
    return (
        f"maps here are bounded {named}; the constant of the branch is followed in {WORDS[EUCLIDEAN]}, where those of "
        "another norm have no bound: keep all of them by one parametrisation, `via rows` for instance",
    )


def norm_of(definition: ir.Layer | ir.Net) -> float:
    """The order of the norm that its Lipschitz constants are followed in: that of its maps, 2 where they differ."""
    (first, *others) = norms_of(definition) or (EUCLIDEAN,)
    return EUCLIDEAN if others else first
