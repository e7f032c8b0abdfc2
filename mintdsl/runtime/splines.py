"""Monotone rational-quadratic splines with linear tails, forwards and backwards.

Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows, NeurIPS 2019, arXiv:1906.04032. Everything is total: no
finite raw numbers and no inputs make a NaN, since bins keep a share `floor` of the interval and slopes at knots stay
between `floor` and 1 / `floor`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mintdsl.runtime.bends import bend_dtype, bend_numbers, bend_results


class SplineBins(NamedTuple):
    """Where each element of a tensor lies: the left knot (x, y) of its bin, width, height, slopes at both ends."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    left: Tensor
    right: Tensor


def check_bins(owner: str, bins: int, floor: float) -> None:
    """ValueError unless `bins` bins can each have a share `floor`: for others nothing is proved."""
    if bins < 2 or bins * floor >= 1:
        raise ValueError(
            f"{owner}: {bins} bins of at least {floor:g} each; from 2 bins on, all floors together below 1"
        )


def spline_knots(raw: Tensor, bound: float, floor: float) -> Tensor:
    """Knots [..., n + 1] from -bound to bound: shares by softmax of raw [..., n], each at least `floor`."""
    bins = raw.shape[-1]
    sums = raw.softmax(-1).cumsum(-1)[..., :-1].clamp(max=1.0)
    steps = torch.arange(1, bins, dtype=raw.dtype, device=raw.device)
    inner = bound * (2 * (floor * steps + (1 - floor * bins) * sums) - 1)
    end = torch.full_like(inner[..., :1], bound)
    return torch.cat((-end, inner, end), -1)


def spline_slopes(raw: Tensor, floor: float) -> Tensor:
    """Slopes at knots [..., n + 1] from raw [..., n - 1]: floor + softplus, at most 1 / floor; 1 at the ends."""
    soft = nn.functional.softplus(raw, threshold=40.0)
    inner = (floor + soft).clamp(max=1 / floor)
    end = torch.ones_like(inner[..., :1])
    return torch.cat((end, inner, end), -1)


def spline_bins(
    values: Tensor, raw: tuple[Tensor, ...], axis: int, bound: float, floor: float, inverse: bool
) -> SplineBins:
    """The bins of x values, or of y values for the inverse; raw widths, heights, slopes have n values a channel."""
    apart = bend_numbers(values, raw, axis)
    across, up = (spline_knots(t, bound, floor) for t in apart[:2])
    slopes = spline_slopes(apart[2], floor)
    sought = up if inverse else across
    index = (sought[..., 1:-1] <= values.unsqueeze(-1)).sum(-1, keepdim=True)

    def at(knots: Tensor, place: Tensor) -> Tensor:
        return knots.expand(*place.shape[:-1], knots.shape[-1]).gather(-1, place).squeeze(-1)

    x, y = at(across, index), at(up, index)
    width, height = at(across, index + 1) - x, at(up, index + 1) - y
    return SplineBins(x, y, width, height, at(slopes, index), at(slopes, index + 1))


def spline_log_slope(t: Tensor, bins: SplineBins) -> Tensor:
    """log of the slope at the place t, from 0 to 1, of each bin; equation 5, its denominator without a difference."""
    steep, u = bins.height / bins.width, 1 - t
    top = bins.left * u * u + bins.right * t * t + 2 * steep * t * u
    bottom = steep * (t * t + u * u) + (bins.left + bins.right) * t * u
    return 2 * (steep.log() - bottom.log()) + top.log()


def spline_ends(x: Tensor, bent: Tensor, log_slope: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """x outside of the bins, where the slope is 1."""
    bent, log_slope = bend_results(x, bent, log_slope)
    return torch.where(inside, bent, x), torch.where(inside, log_slope, 0.0)


def rq_spline(
    x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, *, axis: int, bound: float, floor: float
) -> tuple[Tensor, Tensor]:
    """g(x) and log g'(x), both shaped as x: the spline inside of (-bound, bound), the identity outside."""
    inside = x.abs() < bound
    held = torch.where(inside, x, 0.0).to(bend_dtype(x))
    bins = spline_bins(held, (widths, heights, slopes), axis, bound, floor, inverse=False)
    t = (held - bins.x) / bins.width
    steep, u = bins.height / bins.width, 1 - t
    bottom = steep * (t * t + u * u) + (bins.left + bins.right) * t * u
    y = bins.y + bins.height * (steep * t * t + bins.left * t * u) / bottom
    return spline_ends(x, y, spline_log_slope(t, bins), inside)


def rq_spline_inverse(
    y: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, *, axis: int, bound: float, floor: float
) -> tuple[Tensor, Tensor]:
    """x with g(x) = y, and log g'(x): the root in [0, 1] of a quadratic, in the form without cancellation."""
    inside = y.abs() < bound
    held = torch.where(inside, y, 0.0).to(bend_dtype(y))
    bins = spline_bins(held, (widths, heights, slopes), axis, bound, floor, inverse=True)
    steep, rise = bins.height / bins.width, (held - bins.y) / bins.height
    turn = rise * (bins.left + bins.right - 2 * steep)
    a, b, c = steep - bins.left + turn, bins.left - turn, -steep * rise
    root = (b * b - 4 * a * c).clamp(min=torch.finfo(held.dtype).tiny).sqrt()
    one, other = torch.where(b < 0, 1.0, b + root), torch.where(b < 0, 2 * a, 1.0)  # neither is 0
    t = torch.where(b < 0, (root - b) / other, -2 * c / one).clamp(0.0, 1.0)
    return spline_ends(y, bins.x + bins.width * t, spline_log_slope(t, bins), inside)
