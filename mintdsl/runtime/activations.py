"""Activations and their slopes.

Slopes enter log-determinants, so they keep relative precision where they are small, and autograd differentiates them.
At a kink a slope is its limit from the left (relu 0, leaky_relu a, abs -1): any value between the two limits would do,
since the kinks of a layer have measure zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Activation(NamedTuple):
    """An elementwise function and its derivative. Fields are top-level functions (or partials), so it pickles."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def identity_value(v: Tensor) -> Tensor:
    """v."""
    return v


def identity_slope(v: Tensor) -> Tensor:
    """1."""
    return torch.ones_like(v)


def elu_value(v: Tensor) -> Tensor:
    """v for v > 0, exp(v) - 1 below."""
    return F.elu(v)


def elu_slope(v: Tensor) -> Tensor:
    """exp(min(v, 0)). The minimum comes first: exp of a large v would overflow, and its gradient be NaN."""
    return v.clamp(max=0.0).exp()


def relu_value(v: Tensor) -> Tensor:
    """max(v, 0)."""
    return F.relu(v)


def relu_slope(v: Tensor) -> Tensor:
    """1 for v > 0, else 0."""
    return (v > 0).to(v.dtype)


def leaky_relu_value(v: Tensor, a: float) -> Tensor:
    """v for v > 0, a * v below."""
    return F.leaky_relu(v, a)


def leaky_relu_slope(v: Tensor, a: float) -> Tensor:
    """1 for v > 0, else a."""
    return torch.full_like(v, a).masked_fill(v > 0, 1.0)


def softplus_value(v: Tensor) -> Tensor:
    """log(1 + exp(v)). The default threshold of torch, 20, would leave a jump of 2e-9, visible in float64."""
    return F.softplus(v, threshold=40.0)


def softplus_slope(v: Tensor) -> Tensor:
    """sigmoid(v)."""
    return torch.sigmoid(v)


def tanh_value(v: Tensor) -> Tensor:
    """tanh(v)."""
    return torch.tanh(v)


def tanh_slope(v: Tensor) -> Tensor:
    """1 - tanh(v)^2, written as a product that does not cancel for large |v|."""
    return 4.0 * torch.sigmoid(2.0 * v) * torch.sigmoid(-2.0 * v)


def sigmoid_value(v: Tensor) -> Tensor:
    """1 / (1 + exp(-v))."""
    return torch.sigmoid(v)


def sigmoid_slope(v: Tensor) -> Tensor:
    """s (1 - s), with 1 - s taken as sigmoid(-v), which does not cancel for large v."""
    return torch.sigmoid(v) * torch.sigmoid(-v)


def exp_value(v: Tensor) -> Tensor:
    """exp(v)."""
    return v.exp()


def exp_slope(v: Tensor) -> Tensor:
    """exp(v)."""
    return v.exp()


def log_value(v: Tensor) -> Tensor:
    """log(v), for v > 0."""
    return v.log()


def log_slope(v: Tensor) -> Tensor:
    """1 / v, for v > 0."""
    return v.reciprocal()


def abs_value(v: Tensor) -> Tensor:
    """|v|."""
    return v.abs()


def abs_slope(v: Tensor) -> Tensor:
    """1 for v > 0, else -1."""
    return torch.full_like(v, -1.0).masked_fill(v > 0, 1.0)


def gelu_value(v: Tensor) -> Tensor:
    """v P(v), P the normal distribution function."""
    return F.gelu(v)


def gelu_slope(v: Tensor) -> Tensor:
    """P(v) + v p(v). Beyond 40 the density p is 0 in float64, and v is cut there so that no inf * 0 arises."""
    near = v.clamp(-40.0, 40.0)
    below: Tensor = torch.special.ndtr(near)
    return below + near * torch.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)


def silu_value(v: Tensor) -> Tensor:
    """v sigmoid(v)."""
    return F.silu(v)


def silu_slope(v: Tensor) -> Tensor:
    """s + v s (1 - s). Beyond 750 the last product is 0 in float64, and v is cut there so that no inf * 0 arises."""
    near = v.clamp(-750.0, 750.0)
    s = torch.sigmoid(near)
    return s + near * s * torch.sigmoid(-near)


def sin_value(v: Tensor) -> Tensor:
    """sin(v)."""
    return v.sin()


def sin_slope(v: Tensor) -> Tensor:
    """cos(v)."""
    return v.cos()
