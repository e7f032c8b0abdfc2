"""What nets need beside their maps: normalisation of weights and of channels, attention, tokens moved."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def as_wide_as(x: Tensor, w: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Weights in the dtype of x where that holds more: an inverse solves in float64 when it has to."""
    return tuple(t.to(torch.promote_types(t.dtype, x.dtype)) for t in w)


def chain_nets(nets: Iterable[nn.Module], x: Tensor) -> Tensor:
    """The nets one after the other, the first one first."""
    for net in nets:
        x = net(x)
    return x


def delayed(x: Tensor) -> Tensor:
    """Tokens [*, T, D] one place later, zeros first."""
    return torch.cat((torch.zeros_like(x[..., :1, :]), x[..., :-1, :]), -2)


def maxmin(x: Tensor, axis: int) -> Tensor:
    """Of channels 2k and 2k + 1, along `axis` < 0, the larger one first. No difference grows: |maxmin(x) - maxmin(y)|
    <= |x - y|."""
    even, odd = torch.unflatten(x, axis, (-1, 2)).unbind(axis)
    return torch.stack((torch.maximum(even, odd), torch.minimum(even, odd)), axis).flatten(axis - 1, axis)


def clip_swish(x: Tensor, axis: int, beta: Tensor | None = None) -> Tensor:
    """CLipSwish (Perugachi-Diaz, Tomczak and Bhulai 2021, arXiv:2102.02694): along `axis` < 0 twice as many channels,
    LipSwish(x), then LipSwish(-x), divided by 1.004, with LipSwish(u) = u sigmoid(beta u) / 1.1, beta [1], if not
    given 1. No difference grows: |clip_swish(x) - clip_swish(y)| <= |x - y|, as the slopes of both together are at most
    1.1043616 / (1.1 * 1.004), whatever beta is."""
    if beta is None:
        return torch.cat((nn.functional.silu(x), nn.functional.silu(-x)), axis) / (1.1 * 1.004)
    return torch.cat((x * torch.sigmoid(beta * x), -x * torch.sigmoid(-beta * x)), axis) / (1.1 * 1.004)


def length_of(weight: Tensor, axes: int) -> Tensor:
    """The length of the weights of each output channel, [*families, O]: over the last `axes` axes."""
    flat = weight.flatten(-axes)
    largest = flat.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
    length: Tensor = largest * torch.linalg.vector_norm(flat / largest, dim=-1, keepdim=True)
    return length[..., 0]


def pointing(weight: Tensor, axes: int) -> Tensor:
    """A tensor with the directions of these weights; any direction where they are all 0."""
    length = length_of(weight, axes)
    return torch.where(length[(..., *(None,) * axes)] > 0, weight, torch.ones_like(weight))


def weight_normed(weight: Tensor, gain: Tensor, axes: int) -> Tensor:
    """gain * v / |v| for each output channel (Salimans and Kingma 2016, equation 2); 0 where v is 0.

    v is divided by its largest entry first, so that no square overflows or is lost; then |v| >= 1.
    """
    flat = weight.flatten(-axes)
    largest = flat.detach().abs().amax(-1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
    scaled = flat / largest
    length: Tensor = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True).clamp(min=1.0)
    return (gain[..., None] * (scaled / length)).reshape(weight.shape)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel or token (Ba, Kiros and Hinton 2016)."""

    def __init__(
        self,
        channels: int,
        axis: int,
        eps: float,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.axis, self.eps = axis, eps
        self.scale = nn.Parameter(torch.empty(channels, device=device, dtype=dtype))
        self.shift = nn.Parameter(torch.empty(channels, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Scale 1, shift 0."""
        self.scale.fill_(1.0)
        self.shift.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """x [*, C, H, W] (axis -3) or [*, D] (axis -1), shape kept."""
        scale, shift = as_wide_as(x, (self.scale, self.shift))
        if self.axis == -3:
            scale, shift = scale[:, None, None], shift[:, None, None]
        apart = x - x.mean(self.axis, keepdim=True)
        var = apart.square().mean(self.axis, keepdim=True)
        return apart * (var + self.eps).rsqrt() * scale + shift


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017), without biases; causal where it has a direction."""

    def __init__(
        self,
        width: int,
        heads: int,
        direction: str | None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(f"{heads} heads do not divide {width} channels")
        self.heads, self.direction = heads, direction
        self.query, self.key, self.value, self.out = (
            nn.Parameter(torch.empty((width, width), device=device, dtype=dtype)) for _ in range(4)
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Uniform in +-1/sqrt(width)."""
        for weight in (self.query, self.key, self.value, self.out):
            bound = 1.0 / math.sqrt(weight.shape[1])
            weight.uniform_(-bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """x [*, T, width], shape kept; lower: token t reads tokens up to t, upper: from t on."""
        query, key, value, out = as_wide_as(x, (self.query, self.key, self.value, self.out))
        split = (*x.shape[:-1], self.heads, x.shape[-1] // self.heads)
        q, k, v = ((x @ weight.T).reshape(split).transpose(-3, -2) for weight in (query, key, value))
        scores = q @ k.transpose(-2, -1) / math.sqrt(split[-1])
        if self.direction is not None:
            seen = torch.ones(x.shape[-2], x.shape[-2], dtype=torch.bool, device=x.device)
            seen = seen.tril() if self.direction == "lower" else seen.triu()
            scores = scores.masked_fill(~seen, -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(-3, -2).reshape(x.shape)
        return mixed @ out.T
