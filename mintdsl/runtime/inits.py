"""Initial values. Each function fills the effective value of a parameter in place, outside of autograd.

Fans count the unmasked weights of the folded family: inputs times summed indices, outputs times free indices.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


@torch.no_grad()
def fill_zeros(value: Tensor) -> None:
    """All 0."""
    value.zero_()


@torch.no_grad()
def fill_ones(value: Tensor) -> None:
    """All 1."""
    value.fill_(1.0)


@torch.no_grad()
def fill_normal(value: Tensor, std: float) -> None:
    """Normal with mean 0 and deviation `std`."""
    value.normal_(0.0, std)


@torch.no_grad()
def xavier_normal(value: Tensor, fan_in: int, fan_out: int, gain: float) -> None:
    """Normal with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16)."""
    value.normal_(0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)))


@torch.no_grad()
def fan_in_uniform(value: Tensor, fan_in: int) -> None:
    """Uniform in +-1/sqrt(fan_in), which is what torch gives its own linear maps and convolutions."""
    bound = 1.0 / math.sqrt(fan_in)
    value.uniform_(-bound, bound)


@torch.no_grad()
def fill_identity(value: Tensor, anchor: tuple[int, ...] = ()) -> None:
    """The identity map: matrices [..., O, I] (anchor empty) or kernels [..., O, I, kh, kw] with 1 at the anchor tap."""
    near_identity(value, 0.0, anchor)


@torch.no_grad()
def near_identity(value: Tensor, std: float, anchor: tuple[int, ...] = ()) -> None:
    """The identity map plus normal noise of deviation `std`; shapes and anchor as in fill_identity."""
    value.normal_(0.0, std)
    for place in reversed(anchor):
        value = value.select(-1, place)
    value.diagonal(dim1=-2, dim2=-1).add_(1.0)
