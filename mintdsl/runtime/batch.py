"""Leading dimensions of an argument, folded into one."""

from __future__ import annotations

import math

import torch
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


def flatten_with_context(
    x: Tensor,
    context: Tensor | None,
    event_shape: tuple[int, ...],
    context_shape: tuple[int, ...],
    who: str,
    where: str,
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """(x [B, *event_shape], context [B, *context_shape], lead): leading dimensions are broadcast, then folded into one.

    ValueError as for flatten_batch, and where the context is missing or its leading dimensions do not fit those of x.
    """
    if context is None:
        raise ValueError(f"a context that ends in {list(context_shape)} is needed besides {who} ({where})")
    flat, lead = flatten_batch(x, event_shape, who, where)
    given, other = flatten_batch(context, context_shape, "context", where)
    if lead == other:
        return flat, given, lead
    try:
        both = tuple(torch.broadcast_shapes(lead, other))  # type: ignore[no-untyped-call]
    except RuntimeError:
        sizes = f"{list(lead)} and {list(other)}"
        raise ValueError(
            f"the leading dimensions of {who} and context, {sizes}, do not fit each other ({where})"
        ) from None
    x, context = x.expand(*both, *event_shape), context.expand(*both, *context_shape)
    return flatten_batch(x, event_shape, who, where)[0], flatten_batch(context, context_shape, who, where)[0], both


def unflatten_batch(y: Tensor, lead: tuple[int, ...]) -> Tensor:
    """Give y [B, ...] its leading dimensions back: [*lead, ...]."""
    return y.reshape((*lead, *y.shape[1:]))
