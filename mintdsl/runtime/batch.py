"""Leading dimensions of an argument, folded into one."""

from __future__ import annotations

import math

from torch import Tensor


def flatten_batch(x: Tensor, event_shape: tuple[int, ...], who: str, where: str) -> tuple[Tensor, tuple[int, ...]]:
    """Fold all leading dimensions of x [*lead, *event_shape] into one; an unbatched x gets one of size 1.

    Returns (x [B, *event_shape], lead). `who` names the argument and `where` the line of the spec that gives its
    shape: ValueError says both, in one sentence, when the trailing shape or the dtype is another.
    """
    rank = len(event_shape)
    if x.dim() < rank or tuple(x.shape[x.dim() - rank :]) != tuple(event_shape):
        raise ValueError(f"{who} has shape {list(x.shape)}, but must end in {list(event_shape)} ({where})")
    if not x.is_floating_point():
        raise ValueError(f"{who} has dtype {x.dtype}, but must be floating ({where})")
    # a plain tuple and math.prod keep a symbolic batch symbolic under torch.export; Size.numel() does not
    lead = tuple(x.shape[: x.dim() - rank])
    return x.reshape((math.prod(lead), *event_shape)), lead


def unflatten_batch(y: Tensor, lead: tuple[int, ...]) -> Tensor:
    """Give y [B, ...] its leading dimensions back: [*lead, ...]."""
    return y.reshape((*lead, *y.shape[1:]))
