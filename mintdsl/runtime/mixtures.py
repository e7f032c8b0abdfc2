"""The logit of the distribution function of a mixture of logistics, forwards and backwards.

Ho, Chen, Srinivas, Duan, Abbeel, Flow++: improving flow-based generative models with variational dequantization and
architecture design, ICML 2019, arXiv:1902.00275, equations 11 to 13: y = logit(F(x)), F(x) the sum over k of
softmax(logits)_k sigmoid((x - means_k) exp(-log_scales_k)).

F and 1 - F are kept as logarithms, each a sum of its own, so both tails are exact to rounding; the published code
takes F from one of them and clamps it. Log-scales are held between -16 and 16 (the published code: from -7 on), so that
|x|, |y| and |means| up to 1e30 overflow nowhere in float32; farther out z saturates. No finite numbers make NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mintdsl.runtime.bends import bend_dtype, bend_numbers, bend_results
from mintdsl.runtime.fibre import middle_of, narrow_fibres

WIDEST_LOG_SCALE = 16.0


class Mixture(NamedTuple):
    """Logarithms of weights, means and logarithms of scales of the components of each element, all [..., n]."""

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor


def mixture_of(values: Tensor, raw: tuple[Tensor, Tensor, Tensor], axis: int) -> Mixture:
    """The components for each element of `values`, from raw tensors with n values a channel."""
    logits, means, log_scales = bend_numbers(values, raw, axis)
    weights = logits.log_softmax(-1).clamp(min=-torch.finfo(values.dtype).max / 4)
    return Mixture(weights, means, log_scales.clamp(-WIDEST_LOG_SCALE, WIDEST_LOG_SCALE))


def mixture_at(x: Tensor, mixture: Mixture) -> tuple[Tensor, Tensor]:
    """y = logit(F(x)) and log dy/dx, both shaped as x.

    dy/dx = F' / (F (1 - F)), F' the sum of w_k sigmoid(z_k) sigmoid(-z_k) / s_k. In the upper half that is the mean of
    sigmoid(z_k) / s_k with weights w_k sigmoid(-z_k) / (1 - F), over F; in the lower half the same, turned round. So no
    large logarithms are subtracted from each other but by softmax, which keeps the sum of the weights at 1.
    """
    most = torch.finfo(x.dtype).max / 4
    away = (x.unsqueeze(-1) - mixture.means).clamp(-most, most)  # finite, or gradients were 0 times inf
    z = (away * torch.exp(-mixture.log_scales)).clamp(-most, most)
    below = mixture.log_weights + nn.functional.logsigmoid(z)
    above = mixture.log_weights + nn.functional.logsigmoid(-z)
    log_below, log_above = below.logsumexp(-1), above.logsumexp(-1)
    upper = log_below >= log_above
    rising = upper.unsqueeze(-1)
    shares = torch.where(rising, above, below).log_softmax(-1)
    inner = shares + nn.functional.logsigmoid(torch.where(rising, z, -z)) - mixture.log_scales
    return log_below - log_above, inner.logsumexp(-1) - torch.where(upper, log_below, log_above)


def mixture_root(y: Tensor, mixture: Mixture) -> Tensor:
    """x with logit(F(x)) = y, to machine precision; NaN stays NaN. No gradients.

    Component k alone has the root x_k = mean_k + s_k y. At the largest of them each sigmoid is at least sigmoid(y), and
    so is their mean F; at the smallest each is at most that. So the root lies between the two, wherever y is.
    """
    most = torch.finfo(y.dtype).max
    alone = mixture.means + mixture.log_scales.exp() * y.unsqueeze(-1)
    low, high = alone.amin(-1).clamp(-most, most), alone.amax(-1).clamp(-most, most)

    def error_at(x: Tensor) -> tuple[Tensor, Tensor]:
        value, log_slope = mixture_at(x, mixture)
        return value - y, log_slope.exp()

    start = middle_of(low, high)
    return narrow_fibres(error_at, y, (low, high, start, *error_at(start)), ~torch.isnan(start))


def mix_logistic(x: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, *, axis: int) -> tuple[Tensor, Tensor]:
    """g(x) and log g'(x), both shaped as x."""
    held = x.to(bend_dtype(x))
    return bend_results(x, *mixture_at(held, mixture_of(held, (logits, means, log_scales), axis)))


def mix_logistic_inverse(
    y: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor, *, axis: int
) -> tuple[Tensor, Tensor]:
    """x with g(x) = y, and log g'(x), both shaped as y; first derivatives by the implicit function theorem."""
    held = y.to(bend_dtype(y))
    most = torch.finfo(held.dtype).max
    held = held.clamp(-most / 2, most / 2)  # g takes no more
    mixture = mixture_of(held, (logits, means, log_scales), axis)
    with torch.no_grad():
        x = mixture_root(held, mixture)
    value, log_slope = mixture_at(x, mixture)
    shift = held - value
    if shift.requires_grad:
        # x moves as shift / g'(x) does, shift at fixed x; it counts as 0, and leads to y and to every parameter
        shift.register_hook(first_derivatives_only)  # type: ignore[no-untyped-call]
        gain = torch.exp(-log_slope.detach()).clamp(max=most**0.5)  # beyond, they would overflow
        x = x + (shift - shift.detach()) * gain
        _, log_slope = mixture_at(x, mixture)
    return bend_results(y, x, log_slope)


def first_derivatives_only(gradient: Tensor) -> None:
    """A hook for what stands for an inverse in its first derivatives alone."""
    if torch.is_grad_enabled():
        raise RuntimeError("second derivatives through the inverse of mix_logistic are not supported")
