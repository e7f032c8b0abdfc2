"""What nets need beside their maps."""

from __future__ import annotations

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
