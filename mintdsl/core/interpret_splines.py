"""Rational-quadratic splines by their definition, in numbers that carry gradients.

Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, NeurIPS 2019, arXiv:1906.04032, equations 4 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mintdsl.core.dual import Dual, chain, combine, constant, divide, multiply


def splined(
    x: Dual, widths: Sequence[Dual], heights: Sequence[Dual], slopes: Sequence[Dual], bound: float, floor: float
) -> Dual:
    """The spline at x: the identity outside of [-bound, bound]."""
    if not -bound < x.value < bound:
        return x
    across, up = (_knots(raw, bound, floor) for raw in (widths, heights))
    ends = [constant(1.0), *(_slope(raw, floor) for raw in slopes), constant(1.0)]
    k = max(j for j in range(len(widths)) if across[j].value <= x.value)
    width, height = (combine(((1.0, knots[k + 1]), (-1.0, knots[k]))) for knots in (across, up))
    steep = divide(height, width)
    t = divide(combine(((1.0, x), (-1.0, across[k]))), width)
    u = combine(((1.0, constant(1.0)), (-1.0, t)))
    both = multiply(t, u)
    top = combine(((1.0, multiply(steep, multiply(t, t))), (1.0, multiply(ends[k], both))))
    turn = combine(((1.0, ends[k + 1]), (1.0, ends[k]), (-2.0, steep)))
    bottom = combine(((1.0, steep), (1.0, multiply(turn, both))))
    return combine(((1.0, up[k]), (1.0, multiply(height, divide(top, bottom)))))


def _knots(raw: Sequence[Dual], bound: float, floor: float) -> list[Dual]:
    """From -bound to bound, a softmax of the raw numbers apart, each at least the share `floor`."""
    top = max(one.value for one in raw)
    powers = [chain(one, math.exp(one.value - top), math.exp(one.value - top)) for one in raw]
    total = combine((1.0, power) for power in powers)
    knots, free = [constant(-bound)], 1 - floor * len(raw)
    for power in powers[:-1]:
        share = combine(((1.0, constant(floor)), (free, divide(power, total))))
        knots.append(combine(((1.0, knots[-1]), (2 * bound, share))))
    return [*knots, constant(bound)]


def _slope(raw: Dual, floor: float) -> Dual:
    """floor + softplus of a raw number, at most 1 / floor."""
    value = floor + max(raw.value, 0.0) + math.log1p(math.exp(-abs(raw.value)))
    if value >= 1 / floor:
        return constant(1 / floor)
    below = math.exp(-abs(raw.value))
    return chain(raw, value, (1.0 if raw.value >= 0 else below) / (1 + below))
