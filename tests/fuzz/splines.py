"""Splines a third time: the formula of the paper on tensors, derivatives by autograd, bounds of rounding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import tensors
from .tensors import Field


def splined(x: Field, raw: Sequence[Field], dims: Sequence[int], bound: float, floor: float) -> Field:
    """Each element of x, of sizes `dims`, bent by its own widths, heights and slopes."""
    places = [own_places(field.value.shape[-1], dims) for field in raw]
    parts = [field.value[..., at] for field, at in zip(raw, places, strict=True)]
    apart = [field.error[..., at] for field, at in zip(raw, places, strict=True)]
    y, by_x, by_raw = _derived(x.value, parts, bound, floor)
    steepest = _steepest(parts, bound, floor)
    error = tensors.times(steepest, x.error)
    for slopes, off in zip(by_raw, apart, strict=True):
        error = error + 2 * tensors.times(slopes.abs(), off).sum(-1)
        error = torch.where((off > 1e-3).any(-1), torch.inf, error)
    bins = parts[0].shape[-1]
    error = error + 64 * tensors.EPS * bins * (bound * (1 + steepest) + x.value.abs())
    points = x.jacobian.shape[1]
    near = by_x[:, :points]
    jacobian, steep = tensors.times(near.unsqueeze(-1), x.jacobian), tensors.times(near.abs(), x.steep)
    gain = near.abs().amax(-1).clamp(min=1.0) * x.gain
    rough = [x.rough]
    for field, at, slopes in zip(raw, places, by_raw, strict=True):
        own = slopes[:, :points]
        jacobian = jacobian + tensors.times(own.unsqueeze(-1), field.jacobian[:, :, at]).sum(3)
        steep = steep + tensors.times(own.abs(), field.steep[:, :, at]).sum(-1)
        gain = gain + own.abs().sum(-1).amax(-1).clamp(min=1.0) * field.gain
        rough.append(field.rough)
    moved = [_derived(x.value + s * (x.error + error / steepest), parts, bound, floor)[1] for s in (-1, 1)]
    apart_by = ((moved[0] - moved[1]).abs() / by_x.abs())[:, :points].amax(-1)
    return Field(y, error, jacobian, steep, torch.stack(rough).amax(0) + apart_by.nan_to_num(torch.inf), gain)


def own_places(count: int, dims: Sequence[int]) -> list[list[int]]:
    """For each element the places of its numbers among `count`: channel c * n + k has number k of channel c."""
    size = int(torch.tensor(dims).prod())
    pixels = dims[1] * dims[2] if len(dims) == 3 else 1
    n = count // size
    return [[(p // pixels * n + k) * pixels + p % pixels for k in range(n)] for p in range(size)]


def _knots(raw: Tensor, bound: float, floor: float) -> Tensor:
    shares = floor + (1 - raw.shape[-1] * floor) * torch.softmax(raw, -1)
    ends = torch.cat([torch.zeros_like(raw[..., :1]), shares.cumsum(-1)], -1)
    return -bound + 2 * bound * ends / ends[..., -1:]


def _parts(parts: Sequence[Tensor], bound: float, floor: float) -> tuple[Tensor, Tensor, Tensor]:
    soft = torch.logaddexp(parts[2], torch.zeros_like(parts[2]))
    inner = (floor + soft).clamp(max=1 / floor)
    one = torch.ones_like(parts[0][..., :1])
    return _knots(parts[0], bound, floor), _knots(parts[1], bound, floor), torch.cat([one, inner, one], -1)


def _value(x: Tensor, parts: Sequence[Tensor], bound: float, floor: float) -> Tensor:
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


def _derived(x: Tensor, parts: Sequence[Tensor], bound: float, floor: float) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The value and its derivatives by x and by each raw number."""
    shape = torch.broadcast_shapes(x.shape, parts[0].shape[:-1])
    given = [x.expand(shape), *(p.expand(*shape, p.shape[-1]) for p in parts)]
    followed = any(t.requires_grad for t in given)
    given = [t if t.requires_grad else t.detach().clone().requires_grad_() for t in given]
    with torch.enable_grad():
        y = _value(given[0], given[1:], bound, floor)
        by_x, *by_raw = torch.autograd.grad(y.sum(), given, create_graph=followed)
    return (y, by_x, by_raw) if followed else (y.detach(), by_x, by_raw)


def _steepest(parts: Sequence[Tensor], bound: float, floor: float) -> Tensor:
    """A bound of all slopes of each spline: four times the largest of those at knots and of bins."""
    across, up, slopes = _parts([p.detach() for p in parts], bound, floor)
    return 4 * torch.maximum(slopes.amax(-1), (up.diff(dim=-1) / across.diff(dim=-1)).amax(-1))
