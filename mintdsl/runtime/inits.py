"""Initial values. Each function fills the effective value of a parameter in place, outside of autograd.

Fans count the weights of the folded family, masked ones included: inputs times summed indices, outputs times free ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Place(NamedTuple):
    """Where a parameter stands: the fans of its folded family, and the anchor tap of a kernel."""

    fan_in: int
    fan_out: int
    anchor: tuple[int, ...] = ()


Init = Callable[[Tensor, Place], None]


@torch.no_grad()
def fill_zeros(value: Tensor, place: Place) -> None:
    """All 0."""
    value.zero_()


@torch.no_grad()
def fill_ones(value: Tensor, place: Place) -> None:
    """All 1."""
    value.fill_(1.0)


@torch.no_grad()
def fill_normal(value: Tensor, place: Place, std: float) -> None:
    """Normal with mean 0 and deviation `std`."""
    value.normal_(0.0, std)


@torch.no_grad()
def xavier_normal(value: Tensor, place: Place, gain: float) -> None:
    """Normal with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16)."""
    value.normal_(0.0, gain * math.sqrt(2.0 / (place.fan_in + place.fan_out)))


@torch.no_grad()
def fan_in_uniform(value: Tensor, place: Place) -> None:
    """Uniform in +-1/sqrt(fan_in), which is what torch gives its own linear maps and convolutions."""
    bound = 1.0 / math.sqrt(place.fan_in)
    value.uniform_(-bound, bound)


@torch.no_grad()
def fill_identity(value: Tensor, place: Place) -> None:
    """The identity map: matrices [..., O, I] (anchor empty) or kernels [..., O, I, kh, kw] with 1 at the anchor tap."""
    near_identity(value, place, 0.0)


@torch.no_grad()
def fill_orthogonal(value: Tensor, place: Place) -> None:
    """A random orthogonal matrix at the anchor tap, 0 elsewhere; of a matrix that is not square, orthonormal rows or
    columns. Shapes and anchor as in fill_identity. Uniform: Q of a normal matrix, the signs of R's diagonal moved to it
    (Mezzadri, Notices of the AMS 54, 2007)."""
    value.zero_()
    for tap in reversed(place.anchor):
        value = value.select(-1, tap)
    rows, columns = value.shape[-2:]
    wide = torch.promote_types(value.dtype, torch.float32)
    normal = torch.empty(value.shape, dtype=wide, device=value.device).normal_()
    q, r = torch.linalg.qr(normal if rows >= columns else normal.mT)
    q = q * torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)[..., None, :]
    value.copy_(q if rows >= columns else q.mT)


@torch.no_grad()
def near_identity(value: Tensor, place: Place, std: float) -> None:
    """The identity map plus normal noise of deviation `std`; shapes and anchor as in fill_identity."""
    value.normal_(0.0, std)
    for tap in reversed(place.anchor):
        value = value.select(-1, tap)
    value.diagonal(dim1=-2, dim2=-1).add_(1.0)
