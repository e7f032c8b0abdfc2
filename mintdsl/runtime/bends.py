"""What elementwise bijections with parameters share: which numbers belong to an element, and how wide they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mintdsl.runtime.layer import narrowed_by_autocast


def bend_dtype(x: Tensor) -> torch.dtype:
    """Their arithmetic needs more than 16 bits."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def bend_numbers(values: Tensor, raw: Sequence[Tensor], axis: int) -> list[Tensor]:
    """The numbers of each parameter for each element of `values`, [..., n], in the dtype of `values`.

    Channel c * n + k of a raw tensor, along `axis`, is number k of channel c.
    """
    channels = values.shape[axis]
    shapes = [(*t.shape[:axis], channels, t.shape[axis] // channels, *t.shape[axis:][1:]) for t in raw]
    return [t.to(values.dtype).reshape(shape).movedim(axis, -1) for t, shape in zip(raw, shapes, strict=True)]


def bend_results(x: Tensor, bent: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the dtype of x, the logarithm in float32 under autocast."""
    return bent.to(x.dtype), log_slope if narrowed_by_autocast(x) else log_slope.to(x.dtype)
