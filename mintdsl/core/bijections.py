"""Elementwise bijections that take parameters from formulas: what they are called with, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable

from mintdsl.core.interval import POSITIVE, Interval
from mintdsl.core.options import Option, real
from mintdsl.records import record

LEAST_FLOOR = 1e-5
"""A smaller share of the interval would vanish in float32 beside the sum of the others."""
BOUNDS = (1e-3, 1e6)


@record
class Bijection:
    """`parameters` are formulas, given by name: each has `count` values, from `least` on, for an element, or `fewer`.

    `limits` are those of the options, `letters` stand for the parameters in messages. `slope` bounds the slope for all
    parameters, from the values of the options. `formula`: whether the inverse is one, or solves an equation for each
    element.
    """

    name: str
    parameters: tuple[str, ...]
    count: str
    least: int
    fewer: tuple[int, ...]
    options: tuple[Option, ...]
    limits: tuple[tuple[float, float], ...]
    slope: Callable[..., Interval]
    slope_text: str
    analytic: bool
    formula: bool
    letters: str
    summary: str

    @property
    def per(self) -> tuple[str, ...]:
        """How many values each parameter has for an element, in words."""
        return tuple(f"{self.count} - {less}" if less else self.count for less in self.fewer)

    @property
    def call(self) -> str:
        """How it is called."""
        pairs = zip(self.parameters, self.letters, strict=True)
        return f"{self.name}(b, {', '.join(f'{name} = {letter}' for name, letter in pairs)})"


def _spline_slope(_: float, floor: float) -> Interval:
    least = Interval(floor, floor)
    low = least * least * least * Interval(0.5, 0.5)
    high = Interval(4.0, 4.0) * least.reciprocal()
    return Interval(low.lo, high.hi)


_ALL = (
    Bijection(
        "rq_spline",
        ("widths", "heights", "slopes"),
        "bins",
        2,
        (0, 0, 1),
        (real("bound", 3.0, positive=True), real("floor", 1e-3, positive=True)),
        (BOUNDS, (LEAST_FLOOR, 0.5)),
        _spline_slope,
        "[floor^3 / 2, 4 / floor]",
        False,
        True,
        "wkd",
        "monotone rational-quadratic spline from -bound to bound, the identity outside",
    ),
    Bijection(
        "mix_logistic",
        ("logits", "means", "log_scales"),
        "components",
        1,
        (0, 0, 0),
        (),
        (),
        lambda: POSITIVE,
        "(0, inf)",
        True,
        False,
        "lms",
        "logit of the distribution function of a mixture of logistics",
    ),
)
BIJECTIONS: dict[str, Bijection] = {b.name: b for b in _ALL}
