"""Batch normalisation as the affine map of statistics: frozen ones in evaluation, the batch's in training."""

from __future__ import annotations

import torch
from torch import Tensor

from mintdsl.runtime.families import by_channel
from mintdsl.runtime.protocols import StatisticsLike


def running_scale(layer: StatisticsLike, name: str, eps: float) -> Tensor:
    """1 / sqrt(var + eps) of the running variance, by channel; a variance is never negative."""
    var = getattr(layer, f"{name}_var").clamp(min=0.0)
    return by_channel((var + eps).rsqrt(), layer.event_shape)


def normalizer(layer: StatisticsLike, name: str, x: Tensor, eps: float, momentum: float) -> tuple[Tensor, Tensor]:
    """(scale, shift) with scale * x + shift = (x - mean) / sqrt(var + eps) (Ioffe and Szegedy 2015), by channel.

    In evaluation mode, and where layer.statistics is "running", of the running statistics: a map of its own. In
    training mode of the batch x [B, C, ...], which also moves the running ones (with the unbiased variance, as torch).
    """
    if not layer.training or layer.statistics == "running":
        scale = running_scale(layer, name, eps)
        return scale, -scale * by_channel(getattr(layer, f"{name}_mean"), layer.event_shape)
    channel = 1 if x.dim() != 3 else 2
    axes = [axis for axis in range(x.dim()) if axis != channel]
    count = x.numel() // x.shape[channel]
    var, mean = torch.var_mean(x, axes, correction=0)
    with torch.no_grad():
        unbiased = var * (count / max(count - 1, 1))
        getattr(layer, f"{name}_mean").lerp_(mean.detach(), momentum)
        getattr(layer, f"{name}_var").lerp_(unbiased, momentum)
        getattr(layer, f"{name}_count").add_(1)
    scale = (var + eps).rsqrt()
    return by_channel(scale, layer.event_shape), by_channel(-scale * mean, layer.event_shape)


def frozen_statistics(layer: StatisticsLike) -> None:
    """The proof holds for frozen statistics. RuntimeError in training mode with those of the batch."""
    if layer.training and layer.statistics == "batch":
        raise RuntimeError(
            f"{type(layer).__name__} is invertible in evaluation mode only: call eval(), or set statistics = 'running'"
        )
