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
        tuple(
            f"log_det {kind}" for kind in ("exact", "bounded", "unbiased", "estimate", "solver", "estimated", "none")
        ),
        "the kind of the log-determinant, or a stronger one",
    ),
    ClaimWord(
        "inverse",
        ("inverse closed_form", "inverse elementwise", "inverse iterative", "inverse solver"),
        "the kind of the inverse, or a stronger one",
    ),
)
CLAIMS: dict[str, ClaimWord] = {c.name: c for c in _ALL}
# The strongest first; the values are how they are printed.
INVERSES: dict[str, str] = {
    "closed_form": "closed form",
    "elementwise": "elementwise solve",
    "iterative": "iterative to a tested residual",
    "solver": "to solver tolerance",
}
LOG_DETS: dict[str, str] = {
    "exact": "exact",
    "bounded": "within a proved bound",
    "unbiased": "an unbiased estimate",
    "estimate": "an estimate of bounded bias",
    "solver": "to solver tolerance",
    "estimated": "estimated, to solver tolerance",
    "none": "none",
}
BIAS, NOISE, SOLVED_TO, LACK = "bias", "noise", "solver", "lack"
_FAULTS: dict[str, frozenset[str]] = {
    "exact": frozenset(),
    "bounded": frozenset({BIAS}),
    "unbiased": frozenset({NOISE}),
    "estimate": frozenset({BIAS, NOISE}),
    "solver": frozenset({BIAS, SOLVED_TO}),
    "estimated": frozenset({BIAS, NOISE, SOLVED_TO}),
    "none": frozenset({BIAS, NOISE, SOLVED_TO, LACK}),
}
"""What each kind of log-det may have: of `bounded` and `unbiased` neither is the stronger one."""

CLOSED, ELEMENTWISE, ITERATIVE, SOLVED = INVERSES
EXACT, _, _, _, SOLVER, ESTIMATED, ABSENT = LOG_DETS
KINDS_OF = {"log_det": LOG_DETS, "inverse": INVERSES}


def kind_of_log_det(*, biased: bool, noisy: bool) -> str:
    """The kind of a log-det that may be off by a bound, and may be random."""
    faults = ({BIAS} if biased else set()) | ({NOISE} if noisy else set())
    return next(kind for kind, found in _FAULTS.items() if found == faults)


def weakest(kinds: dict[str, str], *found: str) -> str:
    """What holds of a composition: the last of `found` in the order of `kinds`, or what has the faults of all."""
    if kinds is LOG_DETS:
        faults = frozenset[str]().union(*(_FAULTS[kind] for kind in found))
        return next(kind for kind, has in _FAULTS.items() if faults <= has)
    return max(found, key=list(kinds).index)


def at_least(kinds: dict[str, str], found: str, asked: str) -> bool:
    """Whether `found` is the kind `asked` or a stronger one."""
    if kinds is LOG_DETS:
        return _FAULTS[found] <= _FAULTS[asked]
    order = list(kinds)
    return order.index(found) <= order.index(asked)
