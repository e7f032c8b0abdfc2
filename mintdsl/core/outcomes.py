"""Kinds of log-determinants and inverses, the strongest first: words of claims, and how they are printed."""

from __future__ import annotations

INVERSES: dict[str, str] = {
    "closed_form": "closed form",
    "elementwise": "elementwise solve",
    "iterative": "iterative to a tested residual",
}
LOG_DETS: dict[str, str] = {
    "exact": "exact",
    "none": "none: the dimension grows",
}

CLOSED, ELEMENTWISE, ITERATIVE = INVERSES
EXACT, ABSENT = LOG_DETS
KINDS_OF = {"log_det": LOG_DETS, "inverse": INVERSES}


def weakest(kinds: dict[str, str], *found: str) -> str:
    """The last of `found` in the order of `kinds`: what holds of a composition."""
    return max(found, key=list(kinds).index)


def at_least(kinds: dict[str, str], found: str, asked: str) -> bool:
    """Whether `found` is the kind `asked` or a stronger one."""
    order = list(kinds)
    return order.index(found) <= order.index(asked)
