"""Cayley maps f = (I - g)(I + g)^-1, lip(g) <= L < 1: both directions by Banach's fixed-point theorem, and log-dets.

With w + g(w) = x the value is w - g(w) = 2 w - x; the inverse has -g in place of g. What w is off by, the value is off
by twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mintdsl.runtime.chain import no_log_det
from mintdsl.runtime.factors import exactly
from mintdsl.runtime.inverse import InverseInfo, authors_inversion
from mintdsl.runtime.protocols import CayleyLike
from mintdsl.runtime.residual import dense_jacobian, negative, residual_map, sizes_in, solve_residual, wide_weights
from mintdsl.runtime.trace_series import TraceSeries, series_log_det


def beside_branch(
    branch: Callable[[Tensor, tuple[Tensor, ...]], Tensor], sign: float, x: Tensor, w: tuple[Tensor, ...]
) -> Tensor:
    """x + sign g(x)."""
    return x + sign * branch(x, w)


def cayley_forward(
    layer: CayleyLike,
    x: Tensor,
    context: Tensor | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
) -> tuple[Tensor, Tensor | None]:
    """f(x), its solve tested, and log det of its Jacobian [B], if asked for; gradients of the solve are implicit.

    Never in 16 bits under autocast: rounded weights are no contraction.
    """
    y, log_det, layer.last_forward = cayley_towards(layer, x, 1.0, tol, max_iter, context)
    return y, log_det


def invert_cayley(
    layer: CayleyLike, z: Tensor, tol: float | None, max_iter: int | None, context: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """x [B, *event] with f(x) = z, its solve tested, and -log det there [B]; gradients as those of `cayley_forward`."""
    x, log_det, layer.last_inverse = cayley_towards(layer, z, -1.0, tol, max_iter, context)
    return x, negative(log_det)


def cayley_towards(
    layer: CayleyLike, x: Tensor, sign: float, tol: float | None, max_iter: int | None, context: Tensor | None
) -> tuple[Tensor, Tensor | None, InverseInfo | None]:
    """2 w - x with w + sign g(w) = x, the log-det of f at w, and how w was found, with the error of 2 w - x."""
    zero, given = no_log_det(x), 0 if context is None else 1
    with exactly(x):
        w, x = wide_weights(layer, x, context)
        half = residual_map(partial(beside_branch, layer.branch, sign), w, given)
        middle, info = solve_residual(layer, half, x, 1.0, tol, max_iter)
        y = 2.0 * middle - x
        if info is not None and info.error is not None:
            rounded = torch.finfo(y.dtype).eps * sizes_in(y.detach(), layer.norm_order)
            info = info._replace(error=2.0 * info.error + rounded)
        return y, cayley_log_det(layer, middle, w, given, zero), info


def fixed_cayley(
    layer: CayleyLike, z: Tensor, steps: int, context: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """A fixed number of steps of the inverse's iteration, untested, and -log det at the result."""
    zero, given = no_log_det(z), 0 if context is None else 1
    with exactly(z):
        w, z = wide_weights(layer, z, context)
        half = residual_map(partial(beside_branch, layer.branch, -1.0), w, given)
        middle = authors_inversion(half.value, z, steps, 1.0)
        return 2.0 * middle - z, negative(cayley_log_det(layer, middle, w, given, zero))


def cayley_log_det(layer: CayleyLike, middle: Tensor, w: tuple[Tensor, ...], given: int, zero: Tensor) -> Tensor | None:
    """log det(I - G) - log det(I + G) [B], G the Jacobian of the branch at w [B, *event], in the dtype of `zero`; as
    the use asks for it, None where it asks for none."""
    if isinstance(layer.log_det, TraceSeries):
        half = partial(beside_branch, layer.branch, 1.0, w=w)
        return series_log_det(half, middle, layer.log_det).to(zero.dtype)
    if layer.log_det == "none":
        return None
    jacobian = dense_jacobian(layer, layer.branch, middle, w, given)
    unit = torch.eye(jacobian.shape[-1], dtype=jacobian.dtype, device=jacobian.device)
    log_det: Tensor = torch.linalg.slogdet(unit - jacobian)[1] - torch.linalg.slogdet(unit + jacobian)[1]
    return log_det.to(zero.dtype)
