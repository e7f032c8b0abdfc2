"""Elementwise bijections that take parameters from formulas: what they are called with, and what is known of them."""

from __future__ import annotations

from mintdsl.core.interval import Interval
from mintdsl.core.options import Option, real
from mintdsl.records import record

LEAST_FLOOR = 1e-5
"""A smaller share of the interval would vanish in float32 beside the sum of the others."""
BOUNDS = (1e-3, 1e6)


@record
class Bijection:
    """`parameters` are formulas, given by name; `per` says how many values each has for an element."""

    name: str
    parameters: tuple[str, ...]
    per: tuple[str, ...]
    options: tuple[Option, ...]
    slope: str
    summary: str


_ALL = (
    Bijection(
        "rq_spline",
        ("widths", "heights", "slopes"),
        ("bins", "bins", "bins - 1"),
        (real("bound", 3.0, positive=True), real("floor", 1e-3, positive=True)),
        "[floor^3 / 2, 4 / floor]",
        "monotone rational-quadratic spline from -bound to bound, the identity outside",
    ),
)
BIJECTIONS: dict[str, Bijection] = {b.name: b for b in _ALL}


def spline_slope(floor: float) -> Interval:
    """Bounds of the slope of a spline, for all parameters; they are proved in `proof/rules/splines.py`."""
    least = Interval(floor, floor)
    low = least * least * least * Interval(0.5, 0.5)
    high = Interval(4.0, 4.0) * least.reciprocal()
    return Interval(low.lo, high.hi)
