"""Steps of flows that are not layers: squeezing, logit, dequantisation."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor, nn


def squeeze(x: Tensor, factor: int, layout: str = "colour_fast") -> Tensor:
    """[B, C, H, W] to [B, C f f, H / f, W / f].

    colour_fast: channel (dy f + dx) C + c of the result is x[c, f i + dy, f j + dx] (MintNet, Glow's channel order);
    colour_slow: channel c f f + dy f + dx (torch's pixel_unshuffle).
    """
    batch, c, h, w = x.shape
    blocks = x.reshape(batch, c, h // factor, factor, w // factor, factor)
    axes = (0, 3, 5, 1, 2, 4) if layout == "colour_fast" else (0, 1, 3, 5, 2, 4)
    return blocks.permute(axes).reshape(batch, c * factor * factor, h // factor, w // factor)


def unsqueeze(x: Tensor, factor: int, layout: str = "colour_fast") -> Tensor:
    """The inverse of squeeze."""
    batch, channels, h, w = x.shape
    c = channels // (factor * factor)
    if layout == "colour_fast":
        blocks = x.reshape(batch, factor, factor, c, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(batch, c, factor, factor, h, w).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(batch, c, h * factor, w * factor)


def logit_step(x: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """y = log(s / (1 - s)) with s = alpha + (1 - 2 alpha) x, and log |det| [B].

    Both s and 1 - s are formed from x, since 1 - s of a rounded s loses all digits near white.
    """
    inner = 1.0 - 2.0 * alpha
    log_s, log_t = torch.log(alpha + inner * x), torch.log(alpha + inner * (1.0 - x))
    log_det = (math.log(inner) - log_s - log_t).flatten(1).sum(1)
    return log_s - log_t, log_det


def logit_inverse(y: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """x with logit_step(x) = y, and log |det| of this direction [B]."""
    inner = 1.0 - 2.0 * alpha
    x = (torch.sigmoid(y) - alpha) / inner
    log_det = -(math.log(inner) + nn.functional.softplus(y) + nn.functional.softplus(-y)).flatten(1).sum(1)
    return x, log_det


def dequantize(x: Tensor, levels: int, dtype: torch.dtype) -> Tensor:
    """(x + u) / levels with u uniform in [0, 1): integers 0..levels-1 to the unit interval."""
    values = x.to(dtype)
    return (values + torch.rand_like(values)) / levels


def quantize(x: Tensor, levels: int) -> Tensor:
    """Integers 0..levels-1 from the unit interval; samples outside of it are cut off at the ends."""
    return (x * levels).floor().clamp(0, levels - 1).to(torch.int64)


def standardize(x: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """(x - mean) / std, numbers for all or one a channel, and log |det| [B]."""
    m, s = channel_numbers(mean, x), channel_numbers(std, x)
    return (x - m) / s, -s.log().expand(x.shape[1:]).sum().expand(x.shape[0])


def unstandardize(y: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The inverse of standardize, and log |det| of this direction [B]."""
    m, s = channel_numbers(mean, y), channel_numbers(std, y)
    return y * s + m, s.log().expand(y.shape[1:]).sum().expand(y.shape[0])


def channel_numbers(numbers: tuple[float, ...], like: Tensor) -> Tensor:
    """[C, 1, 1] on images, [C] on vectors, [1, ...] where one number serves all."""
    return torch.tensor(numbers, dtype=like.dtype, device=like.device).reshape(-1, *[1] * (like.dim() - 2))


def permutation(count: int, seed: int) -> list[int]:
    """The numbers below `count` in an order that `seed` draws: the shuffle of Python's Mersenne Twister."""
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return order


def permuted(x: Tensor, order: Tensor, axis: int = -1, rank: int = 1) -> Tensor:
    """x with entry k along `axis`, counted from the end, taken from order[k]; the last `rank` axes count as one."""
    return x.flatten(-rank).index_select(axis, order).reshape(x.shape)


def channel_axis(event_shape: tuple[int, ...]) -> int:
    """The axis of the channels, counted from the end."""
    return -3 if len(event_shape) == 3 else -1


def spread(value: Tensor, event_shape: tuple[int, ...]) -> Tensor:
    """A constant [*families, ...] in the full shape [*families, *event_shape]."""
    return value + value.new_zeros(event_shape)


def pad_channels(x: Tensor, extra: int) -> Tensor:
    """Zero channels appended: [B, C, H, W] to [B, C + extra, H, W]."""
    return nn.functional.pad(x, (0, 0, 0, 0, 0, extra))


def drop_channels(y: Tensor, extra: int) -> Tensor:
    """The left inverse of pad_channels. ValueError where the added channels are not 0: no x gives that y."""
    x, rest = y[:, : y.shape[1] - extra], y[:, y.shape[1] - extra :].detach()
    worst = float(rest.abs().max()) if rest.numel() else 0.0
    if worst > 3.0 * torch.finfo(y.dtype).eps ** 0.5 * (1.0 + float(y.detach().abs().max() if y.numel() else 0.0)):
        raise ValueError(f"the padded channels are not 0 (up to {worst:.3g}): z is no image of any x")
    return x
