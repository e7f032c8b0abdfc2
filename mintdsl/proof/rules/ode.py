"""The rule for continuous flows, z(T) of dz/dt = f(z, t): bijections because f is Lipschitz in z.

How an expression of a net depends on z, for all finite weights: not at all, bounded and Lipschitz, Lipschitz, or
nothing is known. The constants depend on the weights and the end of the time, not on z or on the time before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from mintdsl.core.claim_words import ESTIMATED, SOLVED, SOLVER
from mintdsl.core.interval import REAL, Interval
from mintdsl.proof.jacobian import Smooth
from mintdsl.proof.rules.flows import Passage
from mintdsl.proof.rules.model import Rule
from mintdsl.records import record, replace
from mintdsl.source import Span


class Level(IntEnum):
    """How an expression depends on z; a larger value says less."""

    FIXED = 0  # not at all; continuous in the time, so bounded
    BOUNDED = 1  # Lipschitz, and bounded
    LIPSCHITZ = 2
    UNKNOWN = 3


@record
class Growth:
    """The class of an expression: level, an interval of the values, smoothness, and where the level was lost."""

    level: Level
    values: Interval = REAL
    smooth: Smooth = Smooth.ANALYTIC
    why: tuple[Span, str] | None = None


def _lost(span: Span, reason: str, *below: Growth) -> Growth:
    why = next((one.why for one in below if one.why is not None), (span, reason))
    return Growth(Level.UNKNOWN, REAL, Smooth.KINKS, why)


def together(below: Sequence[Growth], values: Interval) -> Growth:
    """Sums, stacked channels, maps: what is linear with weights that do not depend on z."""
    level = max((one.level for one in below), default=Level.FIXED)
    smooth = min((one.smooth for one in below), default=Smooth.ANALYTIC)
    return Growth(level, values, smooth, next((one.why for one in below if one.why is not None), None))


def product(a: Growth, b: Growth, span: Span) -> Growth:
    """|a b - a' b'| <= |a| |b - b'| + |b'| |a - a'|: of two that read z both have to be bounded."""
    level = max(a.level, b.level)
    if Level.FIXED not in (a.level, b.level) and level is not Level.BOUNDED:
        return _lost(span, "a product of two terms that read the state, not both bounded: it grows like a square", a, b)
    return replace(together((a, b), a.values * b.values), level=level)


def reciprocal(e: Growth, span: Span) -> Growth:
    """1 / e of what has one sign: |1/a - 1/b| = |a - b| / |a b|, so where it reads z it has to stay away from 0."""
    values = e.values.reciprocal()
    if e.level is Level.FIXED:  # continuous in the time, which ends: it has a least magnitude
        return replace(e, values=values)
    if e.level is Level.UNKNOWN or values.magnitude == float("inf"):
        return _lost(span, "a divisor that reads the state and may come close to 0", e)
    return replace(e, values=values, level=Level.BOUNDED)


def bounded_slope(
    e: Growth, slope: Interval, values: Interval, domain: Interval, smooth: Smooth, name: str, span: Span
) -> Growth:
    """An elementwise function of e, with this slope and these values there.

    On bounded arguments every function of all of R has a largest slope.
    """
    smooth = min(e.smooth, smooth)
    if e.level is Level.FIXED:
        return Growth(Level.FIXED, values, smooth)
    steep = slope.magnitude == float("inf") and not (e.level is Level.BOUNDED and domain == REAL)
    if e.level is Level.UNKNOWN or steep:
        return _lost(span, f"`{name}` has no largest slope where the state may take any value", e)
    level = Level.BOUNDED if e.level is Level.BOUNDED or values.magnitude < float("inf") else Level.LIPSCHITZ
    return Growth(level, values, smooth)


def normalized(e: Growth) -> Growth:
    """Layer normalisation: its slope is at most 1 / sqrt(eps), its values at most sqrt(channels), times the scale."""
    return replace(e, values=REAL, level=Level.BOUNDED if e.level is Level.LIPSCHITZ else e.level)


def opaque(below: Sequence[Growth], reason: str, span: Span) -> Growth:
    """Something of which nothing is known where it reads z."""
    if all(one.level is Level.FIXED for one in below):
        return together(below, REAL)
    return _lost(span, reason, *below)


def continuous(field: Growth, estimated: bool) -> Passage | None:
    """Rule ODE: the passage of the flow of `field`; None where that is not known to be Lipschitz."""
    if field.level is Level.UNKNOWN:
        return None
    log_det = ESTIMATED if estimated else SOLVER
    return Passage(REAL, REAL, preserving=False, inverse=SOLVED, lip=float("inf"), log_det=log_det)


def _example(body: str) -> str:
    return (
        "mint 1\nnet Field from Vec[D], Vec[1] to Vec[D] {\n  param V : linear from Vec[D + 1] to Vec[D]\n"
        f"  map x, time -> {body}\n}}\n"
        "flow F on Vec[3] ensures invertible { ode Field by dopri5(until = 1, tol = 1e-5) log_det exact }\n"
    )


ODE = Rule(
    "ODE",
    "f(z, t) continuous, |f(z, t) - f(z', t)| <= L |z - z'| on [0, T]   =>   z(0) -> z(T) of dz/dt = f(z, t) is a "
    "bijection of R^D, bi-Lipschitz with exp(L T), a diffeomorphism for f of class C1; log det J = integral of "
    "tr df/dz",
    "some L holds for the weights at hand, all z and all t: f is made of linear maps, sums, functions with a largest "
    "slope, layer_norm, and products in which at most one factor reads z, or all that do are bounded; with kinks the "
    "log-det holds almost everywhere. A solver computes value, inverse and log-det: its tolerance bounds the estimated "
    "error of a step, not that of the whole",
    "Picard-Lindelof theorem; Chen, Rubanova, Bettencourt, Duvenaud, Neural ODEs, NeurIPS 2018, arXiv:1806.07366, "
    "theorem 1; Grathwohl et al., FFJORD, ICLR 2019, arXiv:1810.01367",
    continuous,
    _example("tanh(V(concat(x, time)))"),
    _example("x * V(concat(x, time))"),
)
RULES = (ODE,)
