"""Convolutions whose other taps lie to one side of the anchor, whose matrix A is kept as factors.

The Jacobian is block triangular with A on its diagonal, so log |det| = H W log |det A|, and the inverse goes front by
front (`fronts.py`).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from mintdsl.runtime.factors import apply_factors, matrix_of, solve_factors, with_matrix
from mintdsl.runtime.families import family_conv
from mintdsl.runtime.fronts import solve_fronts


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
    first = solve_factors(form, own, z, order)
    wide = torch.promote_types(kernel.dtype, first.dtype)
    taps = tuple(itertools.product(range(kernel.shape[2]), range(kernel.shape[3])))
    return solve_fronts(first.to(wide), with_matrix(folded, unit, anchor).to(wide), anchor, dilation, taps=taps)
