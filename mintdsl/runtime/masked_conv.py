"""Exact inverses of convolutions that a mask makes triangular, front by front.

In most orders all taps but the anchor read pixels on one side of it: then fronts are of pixels with all their channels
(`fronts.py`), and the triangle at the anchor is undone on the way. In orders such as channel_major taps lie all around,
where they read earlier channels: then a front is one of elements, and takes a convolution of its own.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from mintdsl.runtime.conv_inverse import without_tap
from mintdsl.runtime.factors import exactly, matrix_of, reads_later, solve_triangle, with_matrix
from mintdsl.runtime.families import diagonal_of, family_conv, with_diagonal
from mintdsl.runtime.fronts import kernel_gradient, mirrored, solve_fronts
from mintdsl.runtime.schedule import front_count, front_functional, front_numbers, kept_differences


def solve_masked(
    kernel: Tensor,
    z: Tensor,
    order: tuple[tuple[int, ...], ...],
    direction: str,
    anchor: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> Tensor:
    """x [B, C, H, W] whose convolution is z, with gradients; z [B, C, H, W].

    The kernel [C, C, kh, kw] is one that `order` and `direction` mask, with no 0 on its diagonal. In float32 at least.
    """
    kept = torch.promote_types(kernel.dtype, z.dtype)
    wide = torch.promote_types(kept, torch.float32)
    kernel, image = kernel.to(wide), z.to(wide)
    size, event = (kernel.shape[2], kernel.shape[3]), tuple(z.shape[1:])
    reads = kept_differences(order, direction, size, anchor, event, dilation)
    taps = taps_on_one_side(reads, anchor, dilation, event[1:])
    with exactly(z):
        if taps is None:
            found: Tensor = MaskedSolve.apply(image, kernel, anchor, dilation, reads)  # type: ignore[no-untyped-call]
            return found.to(kept)
        own, upper = matrix_of(kernel, anchor), reads_later(order, direction)
        folded = solve_triangle(own, without_tap(kernel, anchor).transpose(0, 1), upper=upper).transpose(0, 1)
        unit = torch.eye(own.shape[-1], dtype=wide, device=own.device)
        first = solve_triangle(own, image, upper=upper)
        return solve_fronts(first, with_matrix(folded, unit, anchor), anchor, dilation, taps=taps).to(kept)


@functools.lru_cache(maxsize=256)
def taps_on_one_side(
    reads: frozenset[tuple[int, ...]], anchor: tuple[int, int], dilation: tuple[int, int], size: tuple[int, ...]
) -> tuple[tuple[int, int], ...] | None:
    """The taps of these differences of index, but for the anchor; None where no vector is positive on all of them."""
    offsets = frozenset((h, w) for _, h, w in reads if (h, w) != (0, 0))
    try:
        front_functional(offsets, size)
    except ValueError:
        return None
    return tuple(sorted((anchor[0] - h // dilation[0], anchor[1] - w // dilation[1]) for h, w in offsets))


class MaskedSolve(torch.autograd.Function):
    """solve_masked by fronts of elements, with its derivative: J^-T g by the transposed kernel, from the last front."""

    @staticmethod
    def forward(
        z: Tensor,
        kernel: Tensor,
        anchor: tuple[int, int],
        dilation: tuple[int, int],
        reads: frozenset[tuple[int, ...]],
    ) -> Tensor:
        event = tuple(z.shape[1:])
        functional = front_functional(reads, event)
        front = front_numbers(functional, event, z.device)
        own = diagonal_of(kernel, anchor)
        others = with_diagonal(kernel, torch.zeros_like(own), anchor)
        x = torch.zeros_like(z)
        for number in range(1, front_count(functional, event) + 1):
            # what is not solved yet is 0, and nothing that is solved reads it
            next_one = (z - family_conv(x, others, anchor, dilation=dilation)) / own[:, None, None]
            x = torch.where(front == number, next_one, x)
        return x

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        _, kernel, ctx.anchor, ctx.dilation, ctx.reads = inputs
        ctx.save_for_backward(output, kernel)

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        x, kernel = ctx.saved_tensors
        turned, anchor = mirrored(kernel, ctx.anchor)
        back = frozenset(tuple(-step for step in difference) for difference in ctx.reads)
        grad_z = MaskedSolve.apply(g, turned, anchor, ctx.dilation, back)  # type: ignore[no-untyped-call]
        grad_kernel = None
        if ctx.needs_input_grad[1]:
            grad_kernel = -kernel_gradient(x, grad_z, kernel, ctx.anchor, ctx.dilation)
        return grad_z, grad_kernel, None, None, None
