"""The registry of claims (`ensures ...`), and the kinds of log-determinants and inverses that they may ask for."""

from __future__ import annotations

from mintdsl.records import record


@record
class ClaimWord:
    """One claim: how it is written, what it says, and whether a flow can make it too."""

    name: str
    forms: tuple[str, ...]
    summary: str
    flows: bool = True


_ALL = (
    ClaimWord("lower", ("lower", "strict lower"), "outputs read their own and earlier coordinates", False),
    ClaimWord("upper", ("upper", "strict upper"), "outputs read their own and later coordinates", False),
    ClaimWord("diagonal", ("diagonal",), "each output reads its own coordinate only", False),
    ClaimWord(
        "diag",
        ("diag > 0", "diag >= e", "diag != 0", "diag == 1"),
        "every entry of the Jacobian's diagonal, for all inputs and weights; needs a triangular Jacobian",
        False,
    ),
    ClaimWord("lip", ("lip < c", "lip <= c"), "the Lipschitz constant in the 2-norm, for all weights"),
    ClaimWord("injective", ("injective",), "different inputs have different outputs"),
    ClaimWord("onto", ("onto",), "every value of the whole space is reached"),
    ClaimWord("invertible", ("invertible",), "a bijection of the whole space: injective and onto"),
    ClaimWord("volume_preserving", ("volume_preserving",), "|det J| = 1 everywhere"),
    ClaimWord(
        "log_det",
        ("log_det exact", "log_det solver", "log_det estimated", "log_det none"),
        "the kind of the log-determinant, or a stronger one",
    ),
    ClaimWord(
        "inverse",
        ("inverse closed_form", "inverse elementwise", "inverse iterative", "inverse solver"),
        "the kind of the inverse, or a stronger one",
    ),
)
CLAIMS: dict[str, ClaimWord] = {c.name: c for c in _ALL}
AT_A_USE = ("exact",)
"""How a log-det may be computed, `log_det exact` behind a layer in a flow."""
LATER_AT_A_USE = ("series", "roulette", "hutchinson")

# The strongest first; the values are how they are printed.
INVERSES: dict[str, str] = {
    "closed_form": "closed form",
    "elementwise": "elementwise solve",
    "iterative": "iterative to a tested residual",
    "solver": "to solver tolerance",
}
LOG_DETS: dict[str, str] = {
    "exact": "exact",
    "solver": "to solver tolerance",
    "estimated": "unbiased estimate, to solver tolerance",
    "none": "none",
}

CLOSED, ELEMENTWISE, ITERATIVE, SOLVED = INVERSES
EXACT, SOLVER, ESTIMATED, ABSENT = LOG_DETS
KINDS_OF = {"log_det": LOG_DETS, "inverse": INVERSES}


def weakest(kinds: dict[str, str], *found: str) -> str:
    """The last of `found` in the order of `kinds`: what holds of a composition."""
    return max(found, key=list(kinds).index)


def at_least(kinds: dict[str, str], found: str, asked: str) -> bool:
    """Whether `found` is the kind `asked` or a stronger one."""
    order = list(kinds)
    return order.index(found) <= order.index(asked)
