"""Activations and their slopes.

Slopes enter log-determinants, so they keep relative precision where they are small, and autograd differentiates them.
At a kink a slope is its limit from the left (relu 0, leaky_relu a, abs -1): any value between the two limits would do,
since the kinks of a layer have measure zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Activation(NamedTuple):
    """An elementwise function, its derivative, the supremum of |derivative|, and its name in the spec.

    The functions are top-level ones or partials of such, so it pickles.
    """

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    steepest: float
    name: str


def identity_value(v: Tensor) -> Tensor:
    """v."""
    return v


def identity_slope(v: Tensor) -> Tensor:
    """1."""
    return torch.ones_like(v)


def elu_value(v: Tensor) -> Tensor:
    """v for v > 0, exp(v) - 1 below."""
    return nn.functional.elu(v)


def elu_slope(v: Tensor) -> Tensor:
    """exp(min(v, 0)). The minimum comes first: exp of a large v would overflow, and its gradient be NaN."""
    return v.clamp(max=0.0).exp()


def relu_value(v: Tensor) -> Tensor:
    """max(v, 0)."""
    return nn.functional.relu(v)


def relu_slope(v: Tensor) -> Tensor:
    """1 for v > 0, else 0."""
    return (v > 0).to(v.dtype)


def leaky_relu_value(v: Tensor, a: float) -> Tensor:
    """v for v > 0, a * v below."""
    return nn.functional.leaky_relu(v, a)


def leaky_relu_slope(v: Tensor, a: float) -> Tensor:
    """1 for v > 0, else a."""
    return torch.full_like(v, a).masked_fill(v > 0, 1.0)


def softplus_value(v: Tensor) -> Tensor:
    """log(1 + exp(v)). The default threshold of torch, 20, would leave a jump of 2e-9, visible in float64."""
    return nn.functional.softplus(v, threshold=40.0)


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
    """v P(v), P the normal distribution function. By erfc: 1 + erf cancels for v < 0, gelu of torch may overflow."""
    return 0.5 * v * torch.erfc(-v / math.sqrt(2.0))


def gelu_slope(v: Tensor) -> Tensor:
    """P(v) + v p(v). Beyond 40 the density p is 0 in float64, and v is cut there so that no inf * 0 arises."""
    near = v.clamp(-40.0, 40.0)
    below = 0.5 * torch.erfc(-near / math.sqrt(2.0))
    return below + near * torch.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)


def silu_value(v: Tensor) -> Tensor:
    """v sigmoid(v)."""
    return nn.functional.silu(v)


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


def act_identity() -> Activation:
    """identity as a value of type Act."""
    return Activation(identity_value, identity_slope, 1.0, "identity")


def act_elu() -> Activation:
    """elu as a value of type Act."""
    return Activation(elu_value, elu_slope, 1.0, "elu")


def act_relu() -> Activation:
    """relu as a value of type Act."""
    return Activation(relu_value, relu_slope, 1.0, "relu")


def act_softplus() -> Activation:
    """softplus as a value of type Act."""
    return Activation(softplus_value, softplus_slope, 1.0, "softplus")


def act_tanh() -> Activation:
    """tanh as a value of type Act."""
    return Activation(tanh_value, tanh_slope, 1.0, "tanh")


def act_sigmoid() -> Activation:
    """sigmoid as a value of type Act."""
    return Activation(sigmoid_value, sigmoid_slope, 0.25, "sigmoid")


def act_exp() -> Activation:
    """exp as a value of type Act."""
    return Activation(exp_value, exp_slope, math.inf, "exp")


def act_log() -> Activation:
    """log as a value of type Act."""
    return Activation(log_value, log_slope, math.inf, "log")


def act_abs() -> Activation:
    """abs as a value of type Act."""
    return Activation(abs_value, abs_slope, 1.0, "abs")


def act_gelu() -> Activation:
    """gelu as a value of type Act."""
    return Activation(gelu_value, gelu_slope, 1.12905, "gelu")


def act_silu() -> Activation:
    """silu as a value of type Act."""
    return Activation(silu_value, silu_slope, 1.09984, "silu")


def act_sin() -> Activation:
    """sin as a value of type Act."""
    return Activation(sin_value, sin_slope, 1.0, "sin")


def act_leaky_relu(a: float) -> Activation:
    """leaky_relu(a) as a value of type Act."""
    return Activation(
        partial(leaky_relu_value, a=a), partial(leaky_relu_slope, a=a), max(abs(a), 1.0), f"leaky_relu({a!r})"
    )


def logit_value(v: Tensor) -> Tensor:
    """log(v / (1 - v))."""
    return torch.logit(v)


def logit_slope(v: Tensor) -> Tensor:
    """1 / (v (1 - v))."""
    return 1.0 / (v * (1.0 - v))


def act_logit() -> Activation:
    """logit as a value of type Act."""
    return Activation(logit_value, logit_slope, math.inf, "logit")
