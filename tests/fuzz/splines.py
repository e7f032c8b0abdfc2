"""Splines a third time: the formula of the paper on tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def _knots(raw: Tensor, bound: float, floor: float) -> Tensor:
    shares = floor + (1 - raw.shape[-1] * floor) * torch.softmax(raw, -1)
    ends = torch.cat([torch.zeros_like(raw[..., :1]), shares.cumsum(-1)], -1)
    return -bound + 2 * bound * ends / ends[..., -1:]


def _parts(parts: Sequence[Tensor], bound: float, floor: float) -> tuple[Tensor, Tensor, Tensor]:
    soft = torch.logaddexp(parts[2], torch.zeros_like(parts[2]))
    inner = (floor + soft).clamp(max=1 / floor)
    one = torch.ones_like(parts[0][..., :1])
    return _knots(parts[0], bound, floor), _knots(parts[1], bound, floor), torch.cat([one, inner, one], -1)


def value(x: Tensor, parts: Sequence[Tensor], bound: float, floor: float) -> Tensor:
    """The spline at x."""
    across, up, slopes = _parts(parts, bound, floor)
    inside = x.abs() < bound
    held = torch.where(inside, x, 0.0)
    wide, high = across.diff(dim=-1), up.diff(dim=-1)
    steep = high / wide
    total = torch.where(inside, 0.0, x)
    below = (across[..., 1:-1] <= held.unsqueeze(-1)).sum(-1)
    for k in range(wide.shape[-1]):  # every piece at every place, the one that counts is taken
        t = ((held - across[..., k]) / wide[..., k]).clamp(0.0, 1.0)
        u = 1 - t
        top = steep[..., k] * t * t + slopes[..., k] * t * u
        bottom = steep[..., k] * (t * t + u * u) + (slopes[..., k + 1] + slopes[..., k]) * t * u
        piece = up[..., k] + high[..., k] * top / bottom
        total = torch.where(inside & (below == k), piece, total)
    return total


def steepest(parts: Sequence[Tensor], bound: float, floor: float) -> Tensor:
    """A bound of all slopes of each spline: four times the largest of those at knots and of bins."""
    across, up, slopes = _parts(parts, bound, floor)
    return 4 * torch.maximum(slopes.amax(-1), (up.diff(dim=-1) / across.diff(dim=-1)).amax(-1))


def sizes(x: Tensor, y: Tensor, parts: Sequence[Tensor], steepest: Tensor, bound: float, floor: float) -> Tensor:
    """The numbers that were added up, of which rounding takes a share."""
    return bound * (1 + steepest) + x.abs()
