"""Gradients of an inverse found by iteration, by the implicit function theorem."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mintdsl.runtime.inverse import InversionError, TriangularMap


def solve_transposed(
    value: Callable[[Tensor], tuple[Tensor, Tensor]],
    x: Tensor,
    g: Tensor,
    fronts: int,
    tol: float,
    begin: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Solve J^T v = g, J the triangular Jacobian of f at x: (v, residual max |J^T v - g| / max |g| of each sample).

    v <- v - (J^T v - g) / diagonal: the iteration matrix is nilpotent, so fronts steps are exact up to rounding, and
    a few more remove what rounding left. The best v of each sample is kept. `begin` gives the v to begin with, of g.
    """
    with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
        point = x.detach().requires_grad_()
        y, diagonal = value(point)
    diagonal = diagonal.detach()
    scale = g.abs().flatten(1).amax(1)
    v = g / diagonal if begin is None else begin(g)
    best, residual = v, torch.full_like(scale, math.inf)
    for _ in range(fronts + 20):
        (product,) = torch.autograd.grad(y, point, v, retain_graph=True)
        misfit = product - g
        now = misfit.abs().flatten(1).amax(1)
        now = torch.where(now == 0, 0.0, now / scale)  # g = 0 gives v = 0
        lower, met = now < residual, residual <= tol
        best = torch.where(lower.reshape(-1, *[1] * (x.dim() - 1)), v, best)
        residual = torch.where(lower, now, residual)
        if bool((met | (residual == 0) | ~torch.isfinite(now)).all()):  # one step more than needed gains many digits
            break
        v = v - misfit / diagonal
    return best, residual


def implicit_gradient(
    layer: TriangularMap,
    x: Tensor,
    z: Tensor,
    *,
    fronts: int,
    name: str = "layer",
    tol: float | None = None,
    begin: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Give x, found without gradients such that f(x) = z, its gradients with respect to z and to what f uses.

    By the implicit function theorem dx = J^-1 (dz - df), df taken at fixed x. So x + shift, where shift = z - f(x) is
    made to count as zero, is right but for the factor J^-1, which a hook on shift applies to the incoming gradient (as
    J^-T). A hook rather than an autograd.Function, because the graph of shift already leads to z and to every
    parameter, however many and wherever they are. First derivatives only.

    tol bounds |J^T v - g| relative to max |g| of each sample (default 1e-9 in float64, else 1e-4). Where it is missed
    in a lower precision, the solve is repeated in float64 if the layer can be promoted. Backward raises
    InversionError if it is missed for good. `begin` gives the v to begin with, of g.
    """
    if not torch.is_grad_enabled():
        return x
    x = x.detach()
    with torch.autocast(x.device.type, enabled=False):
        shift = z - layer.value(x)[0]
    if not shift.requires_grad:
        return x
    bound = (1e-9 if x.dtype == torch.float64 else 1e-4) if tol is None else tol

    def solve(g: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            raise RuntimeError(f"{name}: second derivatives through the inverse are not supported")
        if g.numel() == 0 or not bool(torch.isfinite(g).all()):
            return g  # NaN stays NaN, as everywhere in autograd
        v, residual = solve_transposed(layer.value, x, g, fronts, bound, begin)
        if layer.promote is not None and x.dtype != torch.float64 and not bool((residual <= bound).all()):
            wide = layer.promote(torch.float64)
            v, residual = solve_transposed(wide.value, x.double(), g.double(), fronts, bound, begin)
        if not bool((residual <= bound).all()):
            sample = int(residual.argmax())
            reason = "the gradient of the inverse did not converge"
            raise InversionError(name, sample, (), float(residual[sample]), bound, "the transposed solve", reason)
        return v.to(g.dtype)

    shift.register_hook(solve)  # type: ignore[no-untyped-call]
    return x + (shift - shift.detach())
