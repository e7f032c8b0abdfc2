"""Convolutions whose anchor dominates: at it an orthogonal matrix A, beside it taps whose 2-norms add up to 1/2.

A tap only moves pixels and mixes channels, whatever stands outside of the image, so all that is beside the anchor is a
map E of a norm of at most 1/2. The singular values of W = A + E lie in [1/2, 3/2] at every size, and a step
x <- x + A' (z - W x) halves the error: how many steps are enough is known before the first one. Taps on both sides of
the anchor leave no order of the pixels to go by, and zeros around the image no frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mintdsl.runtime.factors import exactly, matrix_of, reflections, refuse_dense, times_matrix, with_matrix
from mintdsl.runtime.families import family_conv
from mintdsl.runtime.fronts import kernel_gradient, mirrored
from mintdsl.runtime.norms import largest_entry, matrix_norm_above, scaled_below


def dominant_kernel(raw: Tensor, sign: Tensor, anchor: tuple[int, int]) -> Tensor:
    """A kernel [C, C, rows, columns] that is regular on every image, from any finite raw one.

    At the anchor Q D, Q the reflections of `raw` there and D of signs, whose singular values are 1; the other taps
    are scaled so that their 2-norms add up to 1/2 at most. Rounding the entries of Q to a dtype of precision eps moves
    its singular values by at most eps sqrt(C) / 2.
    """
    own = reflections(matrix_of(raw, anchor)) * sign.to(raw.dtype)
    others = with_matrix(raw, torch.zeros_like(own), anchor)
    unit = others.double() / largest_entry(others, 4)
    sizes = matrix_norm_above(unit.flatten(-2).movedim(-1, 0)).sum()
    taps = raw.shape[-2] * raw.shape[-1]
    return with_matrix(scaled_below(others, unit, sizes, 0.5, taps, 4), own, anchor)


def apply_dominant(kernel: Tensor, x: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """The convolution of x [B, C, H, W], with zeros around it."""
    wide = torch.promote_types(kernel.dtype, x.dtype)
    return family_conv(x.to(wide), kernel.to(wide), anchor, dilation=dilation)


def solve_dominant(kernel: Tensor, z: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """x [B, C, H, W] with apply_dominant(x) = z, with gradients of any order; solved in float32 at least.

    Of kernels as `dominant_kernel` makes them; of others nothing is known.
    """
    kept = torch.promote_types(kernel.dtype, z.dtype)
    wide = torch.promote_types(kept, torch.float32)
    steps = halvings(wide, torch.finfo(kernel.dtype).eps * math.sqrt(kernel.shape[0]))
    with exactly(z):
        x: Tensor = DominantSolve.apply(z.to(wide), kernel.to(wide), anchor, dilation, steps)  # type: ignore[no-untyped-call]
    return x.to(kept)


def halvings(dtype: torch.dtype, rounded: float) -> int:
    """How many steps bring the error below a unit of rounding of x: 24 in float32, 53 in float64.

    A step leaves I - A' W of the error, whose norm is at most 1/2 where A is orthogonal; the rounding of its entries
    takes A away by rounded / 2 at most.
    """
    left = min(0.5 + 1.5 * rounded, 0.95)
    return math.ceil(math.log(torch.finfo(dtype).eps / 2) / math.log(left))


class DominantSolve(torch.autograd.Function):
    """solve_dominant with its derivative: J^-T g by the transposed kernel, which is as dominant."""

    @staticmethod
    def forward(z: Tensor, kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int], steps: int) -> Tensor:
        own = matrix_of(kernel, anchor).mT
        x = times_matrix(own, z)
        for _ in range(steps if z.numel() else 0):
            x = x + times_matrix(own, z - family_conv(x, kernel, anchor, dilation=dilation))
        return x

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        _, kernel, ctx.anchor, ctx.dilation, ctx.steps = inputs
        ctx.save_for_backward(output, kernel)

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        x, kernel = ctx.saved_tensors
        with exactly(g):
            turned, anchor = mirrored(kernel, ctx.anchor)
            grad_z = DominantSolve.apply(g, turned, anchor, ctx.dilation, ctx.steps)  # type: ignore[no-untyped-call]
        grad_kernel = None
        if ctx.needs_input_grad[1]:
            grad_kernel = -kernel_gradient(x, grad_z, kernel, ctx.anchor, ctx.dilation)
        return grad_z, grad_kernel, None, None, None


def dominant_log_det(
    kernel: Tensor, x: Tensor, anchor: tuple[int, int], dilation: tuple[int, int], name: str
) -> Tensor:
    """log |det| of the convolution of images of the size of x: a number, in float32 at least.

    With a dilation every so many rows and columns are images of their own. ValueError, which names the parameter
    `name`, where a block of rows has more than 4096 elements.
    """
    wide = kernel.to(torch.promote_types(kernel.dtype, torch.float32))
    apart = [
        [(n // step + 1, n % step), (n // step, step - n % step)]  # sizes, and how many images have them
        for n, step in zip(x.shape[-2:], dilation, strict=True)
    ]
    images = [((h, w), many * more) for h, many in apart[0] for w, more in apart[1] if h * w * many * more]
    with exactly(x):
        return torch.stack([many * banded_log_det(wide, anchor, size, name) for size, many in images]).sum()


def banded_log_det(kernel: Tensor, anchor: tuple[int, int], size: tuple[int, int], name: str) -> Tensor:
    """The same without a dilation, on an image of this size [H, W]: elimination of blocks of rows, in their order.

    A block is as high as taps reach, so that it meets its neighbours only. The first blocks are the Jacobian of a
    smaller image, whose inverse has a norm of at most 2: so what is left of a block after those before it has one too.
    """
    channels, rows, columns = kernel.shape[1:]
    reach, along = (max(n - 1 - at, at, 1) for n, at in zip((rows, columns), anchor, strict=True))
    if reach * size[1] > along * size[0]:  # smaller blocks from left to right
        return banded_log_det(kernel.mT, anchor[::-1], size[::-1], name)
    height, row = size[0], size[1] * channels
    side = reach * row
    refuse_dense(f"the log-det of `{name}` takes the Jacobian of {reach} rows of an image", side)
    each = torch.eye(2 * side, dtype=kernel.dtype, device=kernel.device).reshape(-1, 2 * reach, size[1], channels)
    written = family_conv(each.permute(0, 3, 1, 2), kernel, anchor).permute(0, 2, 3, 1).flatten(1)
    own, after, before = written[:side, :side], written[:side, side:], written[side:, :side]
    left, total = own, kernel.new_zeros(())
    for start in range(0, height, reach):
        ends = min(reach, height - start) * row
        factors, pivots = torch.linalg.lu_factor(left[:ends, :ends])
        total = total + factors.diagonal().abs().log().sum()
        if start + reach < height:
            left = own - before @ torch.linalg.lu_solve(factors, pivots, after)
    return total
