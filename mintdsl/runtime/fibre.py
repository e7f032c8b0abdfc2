"""Scalar equations, one per element, solved all at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def middle_of(low: Tensor, high: Tensor) -> Tensor:
    """A point strictly between low and high where a float lies between them.

    Halves the bracket in asinh, which is linear near 0 and logarithmic far out: any bracket of float64 closes in about
    70 halvings, where halving the distance itself could take a thousand. The mean takes over where rounding would
    leave the bracket.
    """
    middle = torch.sinh(0.5 * torch.asinh(low) + 0.5 * torch.asinh(high))
    return torch.where((low < middle) & (middle < high), middle, 0.5 * low + 0.5 * high)


def bracket_fibres(
    error_at: Callable[[Tensor], tuple[Tensor, Tensor]], start: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Enclose the zero of each element's increasing function error_at(s) -> (error, slope).

    Walks from `start` towards the zero; the reach begins at twice a Newton step and grows by 2, 4, 16, 256, ..., up to
    the largest finite number. Returns (low, high, best, its error, its slope); low or high stays infinite where
    no zero was enclosed.
    """
    info = torch.finfo(start.dtype)
    error, slope = error_at(start)
    lost = torch.isnan(error)
    if bool(lost.any()):  # the start is outside of what the fibre can evaluate: try 0 there
        start = torch.where(lost, 0.0, start)
        error, slope = error_at(start)
    low = torch.where(error <= 0, start, -math.inf)
    high = torch.where(error >= 0, start, math.inf)
    best, least, ascent = start, error, slope
    step = (2.0 * error / slope).abs()
    reach = torch.where(torch.isfinite(step), step, 1.0).clamp(
        min=info.eps
    )  # the largest reach that could be evaluated
    growth = torch.full_like(start, 1.0)
    for _ in range(40):
        open_ = (torch.isinf(low) | torch.isinf(high)) & ~torch.isnan(error) & (reach < info.max)
        if not bool(open_.any()):
            break
        tried = (reach * growth).clamp(max=info.max)
        trial = torch.where(torch.isinf(high), start + tried, start - tried).clamp(-info.max, info.max)
        trial = torch.where(open_, trial, best)
        trial_error, trial_slope = error_at(trial)
        low = torch.where(open_ & (trial_error <= 0), trial, low)
        high = torch.where(open_ & (trial_error >= 0), trial, high)
        nearer = open_ & (trial_error.abs() < least.abs())
        best, least = torch.where(nearer, trial, best), torch.where(nearer, trial_error, least)
        ascent = torch.where(nearer, trial_slope, ascent)
        # NaN means too far (an overflow on the way, or outside of the domain): try nearer
        far = torch.isnan(trial_error)
        reach = torch.where(far, torch.where(growth > 1.0, reach, 0.5 * reach), tried)
        growth = torch.where(far, growth.sqrt(), (growth * growth).clamp(2.0, info.max))
    return low, high, best, least, ascent


def solve_fibres(
    fibre: Callable[[Tensor], tuple[Tensor, Tensor]], z: Tensor, start: Tensor, sign: Tensor | float = 1.0
) -> tuple[Tensor, Tensor]:
    """Solve fibre(s) = z for every element at once: (s, solved), both shaped as z.

    `fibre(s)` gives each element's own scalar function, strictly monotone with the direction `sign` (+1 or -1), and its
    slope. `solved` is False, and s is start, where no finite numbers enclose the solution.
    """

    def error_at(s: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = fibre(s)
        return (value - z) * sign, slope * sign

    low, high, best, error, slope = bracket_fibres(error_at, start)
    solved = torch.isfinite(low) & torch.isfinite(high)
    low, high = torch.where(solved, low, best), torch.where(solved, high, best)
    found = narrow_fibres(error_at, z, (low, high, best, error, slope), solved)
    return torch.where(solved, found, start), solved


def narrow_fibres(
    error_at: Callable[[Tensor], tuple[Tensor, Tensor]],
    z: Tensor,
    bracket: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    wanted: Tensor,
) -> Tensor:
    """The zero of each element's increasing function error_at(s) -> (error, slope), to machine precision of values z.

    `bracket` is (low, high, best, its error, its slope), as of `bracket_fibres`. Newton steps are taken inside the
    bracket, which only shrinks. After a step that did not halve the error, and every fourth time, it is halved
    instead: 300 evaluations are the worst case, five to ten the usual one. Elements that are not `wanted` stay.
    """
    eps = torch.finfo(z.dtype).eps
    low, high, best, error, slope = bracket
    halved = torch.ones_like(wanted)
    for count in range(1, 300):
        newton = best - error / torch.where(torch.isinf(slope), math.nan, slope)
        middle = middle_of(low, high)
        done = ~wanted | (error.abs() <= eps * z.abs()) | ((newton - best).abs() <= eps * (best.abs() + eps))
        done = done | (middle <= low) | (middle >= high)
        # rounding noise: the error is small and the last step did not help
        done = done | (~halved & (error.abs() <= 16.0 * eps * (1.0 + z.abs())))
        if bool(done.all()):
            break
        by_newton = halved & (low < newton) & (newton < high) & (count % 4 != 0)
        trial = torch.where(done, best, torch.where(by_newton, newton, middle))
        trial_error, trial_slope = error_at(trial)
        low = torch.where(~done & (trial_error <= 0), trial, low)
        high = torch.where(~done & (trial_error >= 0), trial, high)
        halved = torch.where(done, halved, ~by_newton | (trial_error.abs() <= 0.5 * error.abs()))
        nearer = trial_error.abs() <= error.abs()  # on a flat piece best goes along with the bracket
        best, error = torch.where(nearer, trial, best), torch.where(nearer, trial_error, error)
        slope = torch.where(nearer, trial_slope, slope)
    return best
