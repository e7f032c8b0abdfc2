"""Convolutions whose other taps lie to one side of the anchor: applied and inverted, front by front.

The anchor is a corner of the kernel, so pixels on one diagonal (one front) do not read each other, and what they read
lies on earlier ones: the Jacobian is block triangular with the anchor's matrix A on its diagonal, and
log |det| = H W log |det A|.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mintdsl.runtime.factors import apply_factors, exactly, matrix_of, solve_factors, with_matrix
from mintdsl.runtime.families import family_conv


def invert_conv(z: Tensor, kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Tensor:
    """x [B, C, H, W] with the convolution of x by kernel [C, C, kh, kw], zero padded around the anchor, equal to z.

    `anchor` (row, column) is a corner of the kernel and its matrix is regular; `dilation` counts rows and columns
    between neighbouring taps. Exact up to rounding in float32 at least, with gradients of any order.
    """
    kept = torch.promote_types(kernel.dtype, z.dtype)
    wide = torch.promote_types(kept, torch.float32)
    with exactly(z):
        x: Tensor = FrontSolve.apply(z.to(wide), kernel.to(wide), anchor, dilation)  # type: ignore[no-untyped-call]
    return x.to(kept)


class FrontSolve(torch.autograd.Function):
    """x = J^-1 z. Backwards g_z = J^-T g, which is such a solve itself, and g_kernel is that of a convolution, -1."""

    @staticmethod
    def forward(z: Tensor, kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
        return solve_by_fronts(z, kernel, anchor, dilation)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        _, kernel, ctx.anchor, ctx.dilation = inputs
        ctx.save_for_backward(kernel, output)

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def]
        kernel, x = ctx.saved_tensors
        (row, column), (rows, columns) = ctx.anchor, kernel.shape[-2:]
        mirrored = kernel.transpose(0, 1).flip(-2, -1)
        g_z = invert_conv(g, mirrored, (rows - 1 - row, columns - 1 - column), ctx.dilation)
        g_kernel = None
        if ctx.needs_input_grad[1]:
            g_kernel = -kernel_gradient(x, g_z, kernel, ctx.anchor, ctx.dilation)
        return g_z, g_kernel, None, None


def kernel_gradient(x: Tensor, g: Tensor, kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """The sum over pixels of g [B, C, H, W] at what a tap writes times x [B, C, H, W] at what it reads, as kernel."""
    (row, column), (rows, columns), (down, right) = anchor, kernel.shape[-2:], dilation
    around = (column * right, (columns - 1 - column) * right, row * down, (rows - 1 - row) * down)
    padded = nn.functional.pad(x, around)
    height, width = x.shape[-2:]
    taps = [
        torch.einsum("bohw,bihw->oi", g, padded[..., u * down : u * down + height, v * right : v * right + width])
        for u in range(rows)
        for v in range(columns)
    ]
    return torch.stack(taps, -1).reshape(kernel.shape)


def solve_by_fronts(z: Tensor, kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """invert_conv without gradients: x at a front is A^-1 z minus what the other taps, times A^-1, read before it."""
    channels, rows, columns = kernel.shape[-3:]
    height, width = z.shape[-2:]
    own = kernel[..., anchor[0], anchor[1]]
    # the anchor to the bottom right, so that earlier pixels lie above and to the left
    flipped = [axis for axis, last, at in ((-2, rows, anchor[0]), (-1, columns, anchor[1])) if at != last - 1]
    taps: Tensor = torch.linalg.solve(own, kernel.reshape(channels, -1)).reshape(kernel.shape).flip(flipped)
    z = z.flip(flipped).movedim(1, 0)
    z = torch.linalg.solve(own, z.reshape(channels, -1)).reshape(z.shape)
    taps = taps.flatten(2)[..., :-1].movedim(-1, 1).reshape(channels, -1)
    down, right = dilation
    top, left = (rows - 1) * down, (columns - 1) * right
    x = z.new_zeros(channels, z.shape[1], top + height, left + width)
    reads = [(u * down, v * right) for u in range(rows) for v in range(columns)][:-1]
    lead = torch.tensor(reads, dtype=torch.long, device=z.device).reshape(-1, 2)
    for front in fronts(height, width, dilation):
        at = torch.tensor(front, dtype=torch.long, device=z.device)
        known = x[:, :, at[:, 0] + lead[:, :1], at[:, 1] + lead[:, 1:]]  # [I, B, taps, pixels]
        known = known.permute(2, 0, 1, 3).reshape(taps.shape[1], known.shape[1] * len(front))
        new = z[:, :, at[:, 0], at[:, 1]]
        x[:, :, top + at[:, 0], left + at[:, 1]] = new - (taps @ known).reshape(new.shape)
    return x[:, :, top:, left:].movedim(0, 1).flip(flipped).contiguous()


def fronts(height: int, width: int, dilation: tuple[int, int]) -> list[list[tuple[int, int]]]:
    """The pixels by fronts, where each may read those whole steps of the dilation above it and to the left."""
    down, right = dilation
    found: list[list[tuple[int, int]]] = [[] for _ in range((height - 1) // down + (width - 1) // right + 1)]
    for i in range(height):
        for j in range(width):
            found[i // down + j // right].append((i, j))
    return found


def without_tap(kernel: Tensor, anchor: tuple[int, int]) -> Tensor:
    """The kernel with zeros at the anchor."""
    return with_matrix(kernel, torch.zeros_like(matrix_of(kernel, anchor)), anchor)


def apply_kernel(
    form: str,
    kernel: Tensor,
    x: Tensor,
    anchor: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    order: Tensor | None = None,
) -> Tensor:
    """The convolution of x [B, C, H, W] by a kernel whose matrix at the anchor is kept as factors of this form."""
    wide = torch.promote_types(kernel.dtype, x.dtype)
    others = family_conv(x.to(wide), without_tap(kernel, anchor).to(wide), anchor, dilation=dilation)
    return apply_factors(form, matrix_of(kernel, anchor), x, order) + others


def solve_kernel(
    form: str,
    kernel: Tensor,
    z: Tensor,
    anchor: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
    order: Tensor | None = None,
) -> Tensor:
    """x with apply_kernel(x) = z: the factors take A^-1 of z and of the other taps, so that 1 is left at the anchor."""
    own = matrix_of(kernel, anchor)
    folded = solve_factors(form, own, without_tap(kernel, anchor).transpose(0, 1), order).transpose(0, 1)
    unit = torch.eye(own.shape[-1], dtype=folded.dtype, device=folded.device)
    return invert_conv(solve_factors(form, own, z, order), with_matrix(folded, unit, anchor), anchor, dilation)
