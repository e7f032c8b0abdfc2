"""Exponentials of linear maps of bounded norm: exp(M) x by its series, exp(-M) z by that of -M.

With |M| <= c, what the series leaves out after T terms is at most c^(T+1) / (T+1)! exp(c) |x| (Taylor's theorem), and
no x is made smaller than exp(-c) |x|. T is the first for which the one is below half a unit of rounding of the other:
so the sum of T terms is itself regular, and it and that of -M undo each other to rounding. The log-det is that of the
whole series, the trace of M; that of the sum differs by less than a unit of rounding for each dimension.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mintdsl.runtime.factors import exactly, times_matrix
from mintdsl.runtime.families import diagonal_of, family_conv


def exponential_terms(limit: float, dtype: torch.dtype) -> int:
    """How many terms after the first the series of exp(M), |M| <= limit, needs in this dtype."""
    enough, term, count = 0.25 * torch.finfo(dtype).eps * math.exp(-2.0 * limit), limit, 0
    while term > enough:
        count += 1
        term = term * limit / (count + 1)
    return count


def exponential_series(
    weight: Tensor,
    x: Tensor,
    limit: float,
    anchor: tuple[int, int],
    dilation: tuple[int, int],
    circular: bool,
    sign: float,
) -> Tensor:
    """exp(sign M) x, M a matrix [n, n] on vectors [B, n], or a kernel on x [B, C, H, W]; in float32 at least."""
    kept = torch.promote_types(weight.dtype, x.dtype)
    wide = torch.promote_types(kept, torch.float32)
    with exactly(x):
        total = term = x.to(wide)
        step = weight.to(wide) * sign
        for k in range(1, exponential_terms(limit, wide) + 1):
            if weight.dim() == 4:
                term = family_conv(term, step, anchor, dilation=dilation, circular=circular) / k
            else:
                term = times_matrix(step, term) / k
            total = total + term
    return total.to(kept)


def apply_exponential(
    weight: Tensor,
    x: Tensor,
    limit: float,
    anchor: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    circular: bool = False,
) -> Tensor:
    """exp(M) x, |M| <= limit."""
    return exponential_series(weight, x, limit, anchor, dilation, circular, 1.0)


def undo_exponential(
    weight: Tensor,
    z: Tensor,
    limit: float,
    anchor: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    circular: bool = False,
) -> Tensor:
    """exp(-M) z, |M| <= limit."""
    return exponential_series(weight, z, limit, anchor, dilation, circular, -1.0)


def exponential_log_det(
    weight: Tensor,
    x: Tensor,
    anchor: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    circular: bool = False,
) -> Tensor:
    """log det exp(M) = trace M: that of the matrix at the anchor, at every pixel of x [B, C, H, W].

    Of a circular kernel all taps count that go whole times around and so meet the pixel itself.
    """
    wide = weight.to(torch.promote_types(weight.dtype, torch.float32))
    if not circular:
        return diagonal_of(wide, anchor if weight.dim() == 4 else ()).sum() * math.prod(x.shape[2:])
    at_home = [
        [tap for tap in range(taps) if (tap - at) * step % size == 0]
        for taps, at, step, size in zip(weight.shape[2:], anchor, dilation, x.shape[2:], strict=True)
    ]
    traces = [diagonal_of(wide, (row, column)).sum() for row in at_home[0] for column in at_home[1]]
    return torch.stack(traces).sum() * math.prod(x.shape[2:])
