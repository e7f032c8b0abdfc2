"""Steps that are no layers: what moves entries, logit, dequantisation, the flat latent of a multi-scale flow."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor, nn

from mintdsl.runtime.masks import carry_masks, masks_of


def squeeze(x: Tensor, factor: int, layout: str = "colour_fast") -> Tensor:
    """[B, C, H, W] to [B, C f f, H / f, W / f].

    colour_fast: channel (dy f + dx) C + c of the result is x[c, f i + dy, f j + dx] (MintNet, Glow's channel order);
    colour_slow: channel c f f + dy f + dx (torch's pixel_unshuffle);
    alternate: f = 2, colour_fast with (dy, dx) in the order (0, 0), (1, 1), (0, 1), (1, 0) (Real NVP): the first
    half of the channels are the pixels of one colour of a chessboard.
    """
    batch, c, h, w = x.shape
    blocks = x.reshape(batch, c, h // factor, factor, w // factor, factor)
    axes = (0, 1, 3, 5, 2, 4) if layout == "colour_slow" else (0, 3, 5, 1, 2, 4)
    result = blocks.permute(axes).reshape(batch, c * factor * factor, h // factor, w // factor)
    if layout == "alternate":
        first, second, third, fourth = result.chunk(4, 1)
        return torch.cat((first, fourth, second, third), 1)
    return result


def unsqueeze(x: Tensor, factor: int, layout: str = "colour_fast") -> Tensor:
    """The inverse of squeeze."""
    batch, channels, h, w = x.shape
    c = channels // (factor * factor)
    if layout == "alternate":
        first, fourth, second, third = x.chunk(4, 1)
        x = torch.cat((first, second, third, fourth), 1)
    if layout == "colour_slow":
        blocks = x.reshape(batch, c, factor, factor, h, w).permute(0, 1, 4, 2, 5, 3)
    else:
        blocks = x.reshape(batch, factor, factor, c, h, w).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(batch, c, h * factor, w * factor)


def patches(x: Tensor, size: int) -> Tensor:
    """[B, C, H, W] to [B, (H / n) (W / n), n n C]: entry (dy n + dx) C + c of token i (W / n) + j of the result is
    x[c, n i + dy, n j + dx]; tokens go row by row, and in a token pixels go row by row, the channels of each together.
    """
    return squeeze(x, size).flatten(2).transpose(1, 2)


def unpatch(x: Tensor, size: int, tiles: tuple[int, ...]) -> Tensor:
    """The inverse of patches, for an image of `tiles` (rows, columns) patches."""
    batch, _, entries = x.shape
    return unsqueeze(x.transpose(1, 2).reshape(batch, entries, *tiles), size)


def permutation(size: int, seed: int) -> list[int]:
    """The permutation of a `permute` step or a `perm`, the same everywhere: entry k of the result is permutation[k].

    Fisher-Yates from the end, which takes as index for entry k the whole part of u (k + 1); the numbers u are those of
    Python's `random.Random(seed).random()`, which Python promises not to change, as it does not of `shuffle`.
    """
    uniform = random.Random(seed).random
    order = list(range(size))
    for k in range(size - 1, 0, -1):
        other = int(uniform() * (k + 1))
        order[k], order[other] = order[other], order[k]
    return order


class Permutation(nn.Module):
    """A fixed permutation along an axis of [B, ...], or of all entries (`axis` None). It has no parameters.

    Its indices are a buffer that is not stored: they follow from `seed`, and are made anew where the meta device had
    none.
    """

    order: Tensor
    masks: tuple[str, ...] = ("order",)

    def __init__(self, size: int, seed: int, axis: int | None, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.size, self.seed, self.axis = size, seed, axis
        self.register_buffer("order", torch.empty(size, dtype=torch.int64, device=device), persistent=False)
        self.make_masks()

    def make_masks(self) -> None:
        """The indices, where the buffer is."""
        self.order = torch.tensor(permutation(self.size, self.seed), device="cpu").to(self.order.device)

    def _apply(self, *args: object, **kwargs: object) -> nn.Module:
        """to, to_empty and the like, after which the indices are what they were."""
        before = masks_of(self)
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        carry_masks(self, before)
        return self

    def indices(self, x: Tensor) -> Tensor:
        """Entry k of what leaves is entry indices[k] of x. A model loaded by assignment gets them where its data is."""
        if self.order.is_meta and not x.is_meta:
            self.order = torch.empty_like(self.order, device=x.device)
            self.make_masks()
        return self.order

    def forward(self, x: Tensor) -> Tensor:
        """x [B, ...] with its entries moved."""
        return self.moved(x, self.indices(x))

    def inverse(self, x: Tensor) -> Tensor:
        """The entries moved back."""
        return self.moved(x, self.indices(x).argsort())

    def moved(self, x: Tensor, order: Tensor) -> Tensor:
        """Entry k of the result is entry order[k] of x."""
        if self.axis is None:
            return x.flatten(1).index_select(1, order).reshape(x.shape)
        return x.index_select(self.axis, order)


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
    """[C, 1, 1] on images, [C] on vectors and sequences, [1, ...] where one number serves all."""
    ones = [1] * (like.dim() - 2) if like.dim() == 4 else []
    return torch.tensor(numbers, dtype=like.dtype, device=like.device).reshape(-1, *ones)


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


def flat_latent(parts: list[Tensor]) -> Tensor:
    """The parts of a latent, [B, *shape] each, as one tensor [B, D]: one after the other, each flattened row by row."""
    return torch.cat([part.flatten(1) for part in parts], 1)


def latent_parts(z: Tensor, shapes: tuple[tuple[int, ...], ...]) -> list[Tensor]:
    """The inverse of flat_latent: parts of these shapes, [B, *shape] each, of z [B, D]."""
    found = torch.split(z, [math.prod(shape) for shape in shapes], 1)
    return [part.reshape(part.shape[0], *shape) for part, shape in zip(found, shapes, strict=True)]


def flat_shape(shapes: tuple[tuple[int, ...], ...]) -> tuple[int]:
    """The shape (D,) of a flat latent of parts of these shapes."""
    return (sum(math.prod(shape) for shape in shapes),)
