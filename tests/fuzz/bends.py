"""Elementwise bijections with parameters a third time: derivatives by autograd, bounds of rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import mixtures, splines, tensors
from .tensors import Field

Parts = Sequence[Tensor]
"""The numbers of each parameter for each element, [..., D, n]."""


def bent(name: str, x: Field, raw: Sequence[Field], dims: Sequence[int], options: Sequence[float]) -> Field:
    """Each element of x, of sizes `dims`, bent by its own numbers of the parameters `raw`."""
    places = [own_places(field.value.shape[-1], dims) for field in raw]
    parts = [field.value[..., at] for field, at in zip(raw, places, strict=True)]
    apart = [field.error[..., at] for field, at in zip(raw, places, strict=True)]
    module = {"rq_spline": splines, "mix_logistic": mixtures}[name]

    def value(at: Tensor, *own: Tensor) -> Tensor:
        return module.value(at, own, *options)

    y, by_x, by_raw = _derived(value, x.value, parts)
    steepest = module.steepest([p.detach() for p in parts], *options)
    error = tensors.times(steepest, x.error)
    for slopes, off in zip(by_raw, apart, strict=True):
        error = error + 2 * tensors.times(slopes.abs(), off).sum(-1)
        error = torch.where((off > 1e-3).any(-1), torch.inf, error)
    error = error + 64 * tensors.EPS * parts[0].shape[-1] * module.sizes(x.value, y, parts, steepest, *options)
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
    moved = [_derived(value, x.value + s * (x.error + error / steepest), parts)[1] for s in (-1, 1)]
    apart_by = ((moved[0] - moved[1]).abs() / by_x.abs())[:, :points].amax(-1)
    return Field(y, error, jacobian, steep, torch.stack(rough).amax(0) + apart_by.nan_to_num(torch.inf), gain)


def own_places(count: int, dims: Sequence[int]) -> list[list[int]]:
    """For each element the places of its numbers among `count`: channel c * n + k has number k of channel c."""
    size = int(torch.tensor(dims).prod())
    pixels = dims[1] * dims[2] if len(dims) == 3 else 1
    n = count // size
    return [[(p // pixels * n + k) * pixels + p % pixels for k in range(n)] for p in range(size)]


def _derived(value: Callable[..., Tensor], x: Tensor, parts: Parts) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The value and its derivatives by x and by each raw number; what is > 0 stays so where it underflows."""
    shape = torch.broadcast_shapes(x.shape, parts[0].shape[:-1])
    given = [x.expand(shape), *(p.expand(*shape, p.shape[-1]) for p in parts)]
    followed = any(t.requires_grad for t in given)
    given = [t if t.requires_grad else t.detach().clone().requires_grad_() for t in given]
    with torch.enable_grad():
        y = value(*given)
        by_x, *by_raw = torch.autograd.grad(y.sum(), given, create_graph=followed)
        by_x = by_x.clamp(min=tensors.LEAST)
    return (y, by_x, by_raw) if followed else (y.detach(), by_x.detach(), by_raw)
