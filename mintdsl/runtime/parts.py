"""Splits of a tensor into parts, the parts put together again, and a part that leaves a flow through a net."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mintdsl.runtime.layer import narrowed_by_autocast


def split_blocks(x: Tensor, axis: int, count: int, start: int = 0) -> tuple[Tensor, ...]:
    """x cut into `count` equal blocks along `axis`, block number `start` first, then the ones after it, round."""
    blocks = x.chunk(count, axis)
    return tuple(blocks[(start + k) % count] for k in range(count))


def join_blocks(parts: Sequence[Tensor], axis: int, start: int = 0) -> Tensor:
    """The inverse of split_blocks."""
    count = len(parts)
    return torch.cat([parts[(k - start) % count] for k in range(count)], axis)


def split_strided(x: Tensor, axis: int, count: int, start: int = 0) -> tuple[Tensor, ...]:
    """Every `count`-th index along `axis`: those that leave `start`, then those that leave `start + 1`, round."""
    size = x.shape[axis] // count
    apart = x.reshape((*x.shape[:axis], size, count, *x.shape[axis + 1 :])).unbind(axis + 1)
    return tuple(apart[(start + k) % count] for k in range(count))


def join_strided(parts: Sequence[Tensor], axis: int, start: int = 0) -> Tensor:
    """The inverse of split_strided."""
    count = len(parts)
    return torch.stack([parts[(k - start) % count] for k in range(count)], axis + 1).flatten(axis, axis + 1)


def mask_values(event_shape: tuple[int, ...], functional: Sequence[int], count: int) -> Tensor:
    """For each place [*event] the number of its part: (functional of the indices, its last entry a constant) mod count.

    The integers are those of the mask in the spec: (0, 1, 1, 0) is h + w on Image[C, H, W].
    """
    *factors, shift = functional
    total = torch.full(event_shape, shift)
    for axis, factor in enumerate(factors):
        index = torch.arange(event_shape[axis]) * factor
        total = total + index.reshape([-1] + [1] * (len(event_shape) - 1 - axis))
    return total % count


def join_masked(parts: Sequence[Tensor], residues: Tensor, start: int = 0) -> Tensor:
    """At each place the value of the part that it belongs to; parts [B, *event], residues [*event]."""
    count, whole = len(parts), parts[0]
    for k in range(1, count):
        whole = torch.where(residues == (start + k) % count, parts[k], whole)
    return whole


def log_det_term(log_scale: Tensor | float, part: Tensor, kept: Tensor | None = None) -> Tensor:
    """Sum [B] of log |scale| over the entries of a part [B, *event], or over those that are `kept` [*event].

    float32 under autocast.
    """
    if not isinstance(log_scale, Tensor):
        log_scale = torch.full_like(part, log_scale)
    if narrowed_by_autocast(log_scale):
        log_scale = log_scale.float()
    log_scale = log_scale.expand(part.shape)
    if kept is not None:
        log_scale = torch.where(kept, log_scale, 0.0)
    return log_scale.flatten(1).sum(1)


def leave_normal(part: Tensor, mean: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    """What a part that is normal with this mean and log-scale leaves as, standard normal, and log |det| [B]."""
    return (part - mean) * torch.exp(-log_scale), -log_det_term(log_scale, part)


def return_normal(part: Tensor, mean: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    """The inverse of leave_normal, and log |det| of this direction [B]."""
    return mean + part * torch.exp(log_scale), log_det_term(log_scale, part)
