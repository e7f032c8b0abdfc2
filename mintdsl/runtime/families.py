"""Linear maps of index families, folded into one convolution or matrix product, and their diagonals."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def family_conv(
    x: Tensor,
    weight: Tensor,
    anchor: tuple[int, int],
    inputs: int = 0,
    shared: int = 0,
    dilation: tuple[int, int] = (1, 1),
    circular: bool = False,
    stride: tuple[int, int] = (1, 1),
) -> Tensor:
    """Zero-padded convolutions, or circular ones of stride 1, summed over the last `inputs` index axes.

    x [B, *rest, *shared, *inputs, I, H, W] and weight [*shared, *outputs, *inputs, O, I, kh, kw] give
    [B, *rest, *shared, *outputs, O, H, W]: summed families become input channels, free ones output channels, shared
    ones groups. `anchor` is the tap that meets the pixel itself; the padding follows from it,
    and from how many rows and columns lie between neighbouring taps, `dilation`. With a `stride` the pixel of output
    (h, w) is (rows h, columns w), and the sides of x are multiples of it: y has H / rows and W / columns.
    """
    rows, columns = weight.shape[-2:]
    outputs = weight.dim() - 4 - shared - inputs
    groups, free = weight.shape[:shared], weight.shape[shared : shared + outputs]
    summed, out_channels = weight.shape[shared + outputs : shared + outputs + inputs], weight.shape[-4]
    rest = x.shape[1 : x.dim() - 3 - shared - inputs]
    # the kernel as [groups * free * O, inputs * I, kh, kw]
    first = shared + outputs
    kernel = weight.movedim(-4, first) if inputs else weight
    kernel = kernel.reshape(-1, math.prod(summed) * weight.shape[-3], rows, columns)
    folded = x.reshape(-1, math.prod(groups) * kernel.shape[1], *x.shape[-2:])
    (top, left), (down, right) = anchor, dilation
    above, before = top * down, left * right
    if circular:
        down_to, right_to = (rows - 1 - top) * down, (columns - 1 - left) * right
        wrapped = wrap_around(wrap_around(folded, -2, above, down_to), -1, before, right_to)
        y = nn.functional.conv2d(wrapped, kernel, None, stride, 0, dilation, math.prod(groups))
    elif rows == 2 * top + 1 and columns == 2 * left + 1:
        y = nn.functional.conv2d(folded, kernel, None, stride, (above, before), dilation, math.prod(groups))
    else:
        around = (before, (columns - 1 - left) * right, above, (rows - 1 - top) * down)
        padded = nn.functional.pad(folded, around)
        y = nn.functional.conv2d(padded, kernel, None, stride, 0, dilation, math.prod(groups))
    return y.reshape(x.shape[0], *rest, *groups, *free, out_channels, *y.shape[-2:])


def wrap_around(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    """x with so many places of an axis set before and after it, each from the other side, however often that wraps."""
    places = torch.arange(-before, x.shape[axis] + after, device=x.device).remainder(x.shape[axis])
    return x.index_select(axis, places)


def family_linear(x: Tensor, weight: Tensor, inputs: int = 0, shared: int = 0) -> Tensor:
    """Matrix products, summed over the last `inputs` index axes; axes as in family_conv, x [B, ..., I]."""
    outputs = weight.dim() - 2 - shared - inputs
    groups, free = weight.shape[:shared], weight.shape[shared : shared + outputs]
    out_size = weight.shape[-2]
    rest = x.shape[1 : x.dim() - 1 - shared - inputs]
    first = shared + outputs
    matrix = weight.movedim(-2, first) if inputs else weight
    width = math.prod(weight.shape[first : first + inputs]) * weight.shape[-1]
    matrix = matrix.reshape(math.prod(groups), math.prod(free) * out_size, width)
    folded = x.reshape(-1, math.prod(groups), width)
    y = torch.einsum("goi,bgi->bgo", matrix, folded)
    return y.reshape(x.shape[0], *rest, *groups, *free, out_size)


def diagonal_of(weight: Tensor, anchor: tuple[int, ...] = ()) -> Tensor:
    """The diagonal of a map, [*families, C]: the anchor tap from each channel to itself, or a matrix's diagonal."""
    for tap in reversed(anchor):
        weight = weight.select(-1, tap)
    return weight.diagonal(dim1=-2, dim2=-1)


def with_diagonal(weight: Tensor, diagonal: Tensor, anchor: tuple[int, ...] = ()) -> Tensor:
    """`weight` with its diagonal replaced; shapes as in diagonal_of."""
    entries = torch.diag_embed(diagonal)
    channels = diagonal.shape[-1]
    places = torch.eye(channels, dtype=weight.dtype, device=weight.device)
    if anchor:
        top, left = anchor
        rows, columns = weight.shape[-2:]
        around = (left, columns - 1 - left, top, rows - 1 - top)
        entries = nn.functional.pad(entries[..., None, None], around)
        places = nn.functional.pad(places[..., None, None], around)
    return torch.where(places > 0, entries, weight)


def by_channel(value: Tensor, event_shape: tuple[int, ...]) -> Tensor:
    """One number a channel, [*families, C], ready to meet a tensor of the event's shape: [*, C, 1, 1] or [*, 1, C]."""
    if len(event_shape) == 3:
        return value[..., None, None]
    return value[..., None, :] if len(event_shape) == 2 else value


def channel_count(event_shape: tuple[int, ...]) -> int:
    """Channels of an image, coordinates of a vector, features of a token."""
    return event_shape[-1] if len(event_shape) == 2 else event_shape[0]


def whole_size(owner: str, what: str, top: int, bottom: int) -> None:
    """ValueError unless top / bottom, the size `what`, is a whole number >= 1: for other sizes nothing is proved."""
    if top < bottom or top % bottom:
        value = f"{top} / {bottom}" if top % bottom else f"{top // bottom}"
        raise ValueError(f"{owner}: the size {what} is {value}, not a whole number >= 1")
