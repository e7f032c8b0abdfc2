"""Exact inverses of convolutions by substitution: all channels and pixels of a front at once.

Where an integer vector has a positive product with the offset of every tap but the anchor (output pixel minus the input
pixel that it reads), pixels with the same product never read each other. They are a front, and each front follows from
those before it; the anchor, a matrix of the channels, is undone on the way. A 3x3 kernel that reads up and to the left
only takes H + W - 1 fronts, one that is masked in raster order 2 (H - 1) + W.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from mintdsl.runtime.factors import exactly
from mintdsl.runtime.schedule import front_functional


class Sheared(NamedTuple):
    """How fronts lie in memory: pixel (i, j) is in front a i + b j, there at place c i + d j.

    `along` is (a, b), `across` (c, d), all >= 0, with a d - b c = 1 or -1; `places` is how many there are. `spans` has
    the number of each front that is not empty, its first and its last place: between them is the front, and only it.
    """

    along: tuple[int, int]
    across: tuple[int, int]
    places: int
    spans: tuple[tuple[int, int, int], ...]


@functools.lru_cache(maxsize=256)
def sheared(offsets: frozenset[tuple[int, int]], along: tuple[int, int], size: tuple[int, int]) -> Sheared:
    """The layout of fronts `along` (a, b) of an image [H, W]: the one in which the fewest places hold all offsets."""
    choices = itertools.product(range(max(along[0], 1) + 1), range(max(along[1], 1) + 1))
    unimodular = [(c, d) for c, d in choices if abs(along[0] * d - along[1] * c) == 1]
    across = min(unimodular, key=lambda way: (len({way[0] * h + way[1] * w for h, w in offsets}), sum(way), way))
    (a, b), (c, d) = along, across
    spans: dict[int, tuple[int, int]] = {}
    for i, j in itertools.product(range(size[0]), range(size[1])):
        front, place = a * i + b * j, c * i + d * j
        first, last = spans.get(front, (place, place))
        spans[front] = min(first, place), max(last, place)
    places = c * (size[0] - 1) + d * (size[1] - 1) + 1
    return Sheared(along, across, places, tuple((front, *spans[front]) for front in sorted(spans)))


def solve_fronts(
    z: Tensor,
    kernel: Tensor,
    anchor: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    *,
    taps: tuple[tuple[int, int], ...] | None = None,
) -> Tensor:
    """x [B, C, H, W] whose convolution is z, with gradients; z [B, C, H, W], kernel [C, C, kh, kw].

    The convolution is a cross-correlation of stride 1 with zeros around, `anchor` (t, l) the tap that meets the pixel
    itself: z[o, i, j] = sum of kernel[o, c, u, v] x[c, i + (u - t) dh, j + (v - l) dw]. kernel[:, :, t, l] may be any
    invertible matrix; with a singular one x is not finite. 16 bits are solved in 32. ValueError where the other taps
    that are not 0 lie in no open half plane; where `taps` says which count, the numbers decide nothing.
    """
    wide = torch.promote_types(z.dtype, torch.float32)
    with exactly(z):
        x: Tensor = FrontSolve.apply(z.to(wide), kernel.to(wide), anchor, dilation, taps)  # type: ignore[no-untyped-call]
    return x.to(z.dtype)


class FrontSolve(torch.autograd.Function):
    """solve_fronts with its derivative: J^-T g by the transposed kernel, whose fronts run backwards."""

    @staticmethod
    def forward(
        z: Tensor,
        kernel: Tensor,
        anchor: tuple[int, int],
        dilation: tuple[int, int],
        taps: tuple[tuple[int, int], ...] | None,
    ) -> Tensor:
        return substituted_fronts(z, kernel, anchor, dilation, taps)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        _, kernel, ctx.anchor, ctx.dilation, ctx.taps = inputs
        ctx.save_for_backward(output, kernel)

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        x, kernel = ctx.saved_tensors
        last_row, last_column = kernel.shape[2] - 1, kernel.shape[3] - 1
        taps = None if ctx.taps is None else tuple((last_row - u, last_column - v) for u, v in ctx.taps)
        grad_z = solve_fronts(g, *mirrored(kernel, ctx.anchor), ctx.dilation, taps=taps)
        grad_kernel = None
        if ctx.needs_input_grad[1]:
            grad_kernel = -kernel_gradient(x, grad_z, kernel, ctx.anchor, ctx.dilation)
        return grad_z, grad_kernel, None, None, None


def mirrored(kernel: Tensor, anchor: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """The kernel of the transposed convolution, and its anchor."""
    (top, left), (rows, columns) = anchor, kernel.shape[2:]
    return kernel.transpose(0, 1).flip(2, 3), (rows - 1 - top, columns - 1 - left)


def kernel_gradient(x: Tensor, g: Tensor, kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """The sum over pixels of g [B, C, H, W] at what a tap writes times x [B, C, H, W] at what it reads, as kernel."""
    (top, left), (rows, columns), (down, across) = anchor, kernel.shape[2:], dilation
    around = (left * across, (columns - 1 - left) * across, top * down, (rows - 1 - top) * down)
    with exactly(g):
        padded = nn.functional.pad(x, around)
        found: Tensor = conv2d_weight(padded, kernel.shape, g, dilation=dilation)  # type: ignore[no-untyped-call]
    return found


def substituted_fronts(
    z: Tensor,
    kernel: Tensor,
    anchor: tuple[int, int],
    dilation: tuple[int, int],
    taps: tuple[tuple[int, int], ...] | None = None,
) -> Tensor:
    """solve_fronts without gradients.

    The image is stored front by front, each [C, places, B], with zeros around. There the taps that step over the same
    number of places read rows of channels that lie together, so that each such group takes one product of matrices.
    """
    batch, channels, *size = z.shape
    if not z.numel():
        return z.clone()
    steps = fitting_taps(kernel, anchor, dilation, (size[0], size[1]), taps)
    functional = front_functional(frozenset(steps), (size[0], size[1]))
    inverse: Tensor = torch.linalg.inv_ex(kernel[:, :, anchor[0], anchor[1]]).inverse
    inner = z.reshape(batch, -1).T.contiguous()  # the batch innermost; as a matrix, which is transposed faster
    image = (inverse @ inner.view(channels, -1)).view(channels, *size, batch)
    if not steps:
        return image.view(-1, batch).T.reshape(z.shape).contiguous()
    turned = [axis for axis in (0, 1) if functional[axis] < 0]  # so that fronts run down and to the right
    image = image.flip([1 + axis for axis in turned]) if turned else image
    offsets = [(-h if 0 in turned else h, -w if 1 in turned else w) for h, w in steps]
    layout = sheared(frozenset(offsets), (abs(functional[0]), abs(functional[1])), (size[0], size[1]))
    (a, b), (c, d) = layout.along, layout.across
    weights = (-inverse @ torch.cat([kernel[:, :, u, v] for u, v in steps.values()], 1)).chunk(len(steps), 1)
    groups: dict[int, dict[int, Tensor]] = {}  # by places stepped over: weights by fronts stepped over
    for (h, w), weight in zip(offsets, weights, strict=True):
        groups.setdefault(c * h + d * w, {})[a * h + b * w] = weight
    before, earlier = max(0, *groups), max(max(group) for group in groups.values())
    wide = before + layout.places + max(0, *(-step for step in groups))
    store = z.new_zeros(earlier + layout.spans[-1][0] + 1, channels, wide, batch)
    front, row, place, _ = store.stride()
    strides = (row, a * front + c * place, b * front + d * place, 1)
    view = store.as_strided(image.shape, strides, earlier * front + before * place)
    view.copy_(image)
    table, folded = store.view(-1, wide * batch), [(step, *side_by_side(group)) for step, group in groups.items()]
    for number, first, last in layout.spans:
        top, left, right = (earlier + number) * channels, (before + first) * batch, (before + last + 1) * batch
        here = table[top : top + channels, left:right]
        for step, back, weight in folded:
            start, shift = top - back * channels, step * batch
            here.addmm_(weight, table[start : start + weight.shape[1], left - shift : right - shift])
    solved = view.flip([1 + axis for axis in turned]) if turned else view
    return solved.reshape(-1, batch).T.reshape(z.shape).contiguous()


def fitting_taps(
    kernel: Tensor,
    anchor: tuple[int, int],
    dilation: tuple[int, int],
    size: tuple[int, int],
    taps: Iterable[tuple[int, int]] | None = None,
) -> dict[tuple[int, int], tuple[int, int]]:
    """Of `taps`, or of those that are not 0, all that fit into an image [H, W] but the anchor, by their offsets."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    if taps is None and kernel.is_meta:
        taps = itertools.product(range(kernel.shape[2]), range(kernel.shape[3]))
    for u, v in (kernel != 0).flatten(0, 1).any(0).nonzero().tolist() if taps is None else taps:
        h, w = (anchor[0] - u) * dilation[0], (anchor[1] - v) * dilation[1]
        if (h, w) != (0, 0) and abs(h) < size[0] and abs(w) < size[1]:
            found[h, w] = (u, v)
    return found


def side_by_side(group: dict[int, Tensor]) -> tuple[int, Tensor]:
    """How many fronts back a group of weights begins, and the weights from there on, zeros where there is no tap."""
    far, near = max(group), min(group)
    zero = torch.zeros_like(group[far])
    return far, torch.cat([group.get(back, zero) for back in range(far, near - 1, -1)], 1)


def unit_kernel(x: Tensor) -> Tensor:
    """The kernel [C, C, 1, 1] of the identity on images such as x [B, C, H, W]; its anchor is (0, 0)."""
    return torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[..., None, None]


Summand = tuple[Tensor, tuple[int, int], tuple[int, int]]
"""A kernel [C, C, kh, kw], its anchor and its dilation."""


def spread_kernel(kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """The kernel without a dilation that does the same, zeros between its taps, and its anchor."""
    if dilation == (1, 1):
        return kernel, anchor
    rows, columns = ((n - 1) * apart + 1 for n, apart in zip(kernel.shape[2:], dilation, strict=True))
    wide = kernel.new_zeros(*kernel.shape[:2], rows, columns)
    wide[:, :, :: dilation[0], :: dilation[1]] = kernel
    return wide, (anchor[0] * dilation[0], anchor[1] * dilation[1])


def added_kernels(*summands: Summand) -> tuple[Tensor, tuple[int, int]]:
    """The kernel of a sum of convolutions, and its anchor; where one has a dilation, zeros stand between its taps."""
    parts = [spread_kernel(*one) for one in summands]
    above, left = (max(anchor[axis] for _, anchor in parts) for axis in (0, 1))
    beyond = [max(kernel.shape[2 + axis] - anchor[axis] for kernel, anchor in parts) for axis in (0, 1)]
    total = parts[0][0].new_zeros(*parts[0][0].shape[:2], above + beyond[0], left + beyond[1])
    for kernel, (top, first) in parts:
        rows, columns = kernel.shape[2:]
        around = (left - first, beyond[1] - columns + first, above - top, beyond[0] - rows + top)
        total = total + nn.functional.pad(kernel, around)
    return total, (above, left)
