"""Residual sums f: their Jacobian, and their inverse by Banach's fixed-point theorem.

Where lip(x - f(x) / d) <= L < 1 the iteration x <- x - (f(x) - z) / d converges from everywhere, and after n steps the
residual f(x) - z is at most L^n times the first one, in the norm of that bound: the 2-norm, the 1-norm or the maximum
norm. The error of x is at most 1 / (|d| (1 - L)) times the residual. For f(x) = x + g(x), d = 1 and L = lip(g), a step
is x <- z - g(x). Rounding: in float32 f is a step function, so the residual does not fall below about its rounding,
and says as little of the error; the last steps, one at least, are those of float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mintdsl.runtime.batch import unflatten_batch
from mintdsl.runtime.chain import no_log_det
from mintdsl.runtime.factors import exactly, refuse_dense
from mintdsl.runtime.implicit import implicit_gradient
from mintdsl.runtime.inverse import (
    InverseInfo,
    InversionError,
    Search,
    TriangularMap,
    authors_inversion,
    refine,
    relative_residual,
    rows_of,
)
from mintdsl.runtime.layer import kept_weights, with_context, with_weights
from mintdsl.runtime.nets import as_wide_as
from mintdsl.runtime.protocols import CayleyLike, ResidualLike
from mintdsl.runtime.trace_series import TraceSeries, series_log_det

ROUNDED = 2.0**-20
"""A relative residual that float32 and the branch's rounding leave in reach."""
STALLED = 8
"""Steps in float32 without a lower residual after which float64 takes over."""


def kind_of_log_det(kind: str | TraceSeries, *, odd: bool = False) -> str | TraceSeries:
    """How a layer computes its log-det: "exact", an estimate, or "none" where forward and inverse give None for it.

    An estimate of a Cayley map has odd powers only.
    """
    if not isinstance(kind, TraceSeries) and kind not in ("exact", "none"):
        raise ValueError(f'log_det is "exact", "none" or a TraceSeries, not {kind!r}')
    return kind._replace(odd=odd) if isinstance(kind, TraceSeries) else kind


def log_det_of_use(layer: ResidualLike, x: Tensor, w: tuple[Tensor, ...], given: int, zero: Tensor) -> Tensor | None:
    """log det [B] of the Jacobian at x as the use asks for it, in the dtype of `zero`; None where it asks for none."""
    if isinstance(layer.log_det, TraceSeries):
        return series_log_det(lambda v: layer.value(v, w), x, layer.log_det, layer.divisor).to(zero.dtype)
    return dense_log_det(layer, x, w, given).to(zero.dtype) if layer.log_det == "exact" else None


def with_lead(log_det: Tensor | None, lead: tuple[int, ...]) -> Tensor | None:
    """A log-det [B], if there is one, with its leading dimensions."""
    return None if log_det is None else unflatten_batch(log_det, lead)


def negative(log_det: Tensor | None) -> Tensor | None:
    """-log det, if there is one."""
    return None if log_det is None else -log_det


def dense_log_det(layer: ResidualLike, x: Tensor, w: tuple[Tensor, ...], given: int) -> Tensor:
    """log |det| [B] of the dense Jacobian at x [B, *event]; the last `given` of w has a batch axis."""
    log_det: Tensor = torch.linalg.slogdet(dense_jacobian(layer, layer.value, x, w, given))[1]
    return log_det


def dense_jacobian(
    layer: ResidualLike | CayleyLike,
    value: Callable[[Tensor, tuple[Tensor, ...]], Tensor],
    x: Tensor,
    w: tuple[Tensor, ...],
    given: int,
) -> Tensor:
    """The Jacobian [B, D, D] of `value`, a map of a layer, at x [B, *event], in float32 at least; the last `given` of w
    has a batch axis.

    It takes D^2 numbers a sample and D^3 operations: ValueError for more than 4096 elements.
    """
    size = math.prod(layer.event_shape)
    refuse_dense(f"{layer.path or type(layer).__name__}: `log_det exact` makes the dense Jacobian", size)
    wide = torch.promote_types(x.dtype, torch.float32)
    if not x.shape[0]:
        return x.new_zeros((0, size, size), dtype=wide) + x.sum()

    def one(v: Tensor, *own: Tensor) -> Tensor:
        batched = (*own[: len(own) - given], *(t[None] for t in own[len(own) - given :]))
        return value(v[None], batched).squeeze(0)

    axes = (0, *[None] * (len(w) - given), *[0] * given)
    jacobian: Tensor = torch.vmap(torch.func.jacrev(one), in_dims=axes)(x, *w)
    return jacobian.reshape(x.shape[0], size, size).to(wide)


def residual_forward(layer: ResidualLike, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """f(x) and log det of its Jacobian [B], if asked for.

    Never in 16 bits under autocast: rounded weights are no contraction.
    """
    zero, given = no_log_det(x), 0 if context is None else 1
    with exactly(x):
        w, x = wide_weights(layer, x, context)
        return layer.value(x, w), log_det_of_use(layer, x, w, given, zero)


def wide_weights(
    layer: ResidualLike | CayleyLike, x: Tensor, context: Tensor | None
) -> tuple[tuple[Tensor, ...], Tensor]:
    """The weights with the context, and x, in the dtype that holds the most of them all."""
    w = with_context(layer.effective_weights(), context)
    for t in w:
        x = x.to(torch.promote_types(x.dtype, t.dtype))
    return as_wide_as(x, w), x


def residual_map(
    value: Callable[[Tensor, tuple[Tensor, ...]], Tensor], w: tuple[Tensor, ...], given: int, divisor: float = 1.0
) -> TriangularMap:
    """A map as the solvers see it, its divisor for the diagonal: their steps are those of Banach."""

    def promote(dtype: torch.dtype) -> TriangularMap:
        return residual_map(value, tuple(t.to(dtype) for t in w), given, divisor)

    def rows(index: Tensor) -> TriangularMap:
        batched = len(w) - given
        return residual_map(value, (*w[:batched], *(t[index] for t in w[batched:])), given, divisor)

    return TriangularMap(
        value=lambda x: (value(x, w), torch.full_like(x, divisor)),
        rests=lambda x: (),
        fibre=lambda s, rests: (s, torch.ones_like(s)),
        slope_bound=lambda: None,
        promote=promote,
        rows=rows if given else None,
    )


def sizes_in(x: Tensor, norm: float) -> Tensor:
    """The norm of this order of each sample [B] of x [B, *event]."""
    found: Tensor = torch.linalg.vector_norm(x.flatten(1), norm, dim=1)
    return found


def banach_steps(contraction: float, first: float, goal: float) -> int:
    """How many steps bring a residual from `first` down to `goal`."""
    if not 0.0 < goal < first or contraction <= 0.0:
        return 1
    return math.ceil(math.log(goal / first) / math.log(contraction)) + 1


def banach_step(part: TriangularMap, x: Tensor, y: Tensor, slope: Tensor, goal: Tensor, count: int) -> Tensor:
    """x - (f(x) - z) / divisor."""
    return x - (y - goal) / slope


def default_tolerance(dtype: torch.dtype, shrink: float) -> float:
    """The error that is asked for where nobody says, with `shrink` = |d| (1 - L).

    |x| may be |z| / shrink, so rounding leaves a residual of about 1e-16 |z| / shrink, and that squared of the error.
    """
    return max(1e-11 if dtype == torch.float64 else 1e-5, 1e-14 / shrink**2)


@torch.no_grad()
def banach(
    f: TriangularMap,
    z: Tensor,
    bounds: tuple[float, float, float],
    name: str,
    tol: float | None,
    max_iter: int | None,
) -> tuple[Tensor, InverseInfo]:
    """x with f(x) = z [B, *event], and how it was found; the error of a sample is at most tol |1 + |z||.

    `bounds` are the divisor d, the contraction L and the order of the norm of both. The error is at most the residual
    over |d| (1 - L), so the iteration goes on until that is met, or the promised number of steps is done. First in the
    dtype of z, as far as its rounding allows, then in float64, which alone decides: `tol` is promised of x before it is
    rounded to that dtype. Raises InversionError.
    """
    first, (divisor, contraction, norm) = torch.promote_types(z.dtype, torch.float32), bounds
    shrink = abs(divisor) * (1.0 - contraction)
    tol = default_tolerance(z.dtype, shrink) if tol is None else tol
    finite = torch.isfinite(z)
    if not bool(finite.all()):
        sample, *place = (~finite).nonzero()[0].tolist()
        raise InversionError(name, sample, tuple(place), math.inf, tol, "no step", "z is not finite")
    goal = tol * min(1.0, shrink)
    search = Search(z.to(first), torch.ones_like(z), z.new_full((z.shape[0],), math.inf), torch.zeros(()), 0)
    for work in dict.fromkeys((first, torch.float64)):
        if not z.shape[0]:
            break
        target, x = z.to(work), search.x.to(work)
        part = f if work == z.dtype or f.promote is None else f.promote(work)
        y, _ = part.value(x)
        near = goal if work == torch.float64 else max(goal, ROUNDED)
        limit = banach_steps(contraction, float(sizes_in(y - target, norm).max()), near)
        limit = limit if max_iter is None else max(0, min(limit, max_iter - search.steps))
        here = relative_residual(y, target)
        search = Search(x, torch.ones_like(x), here, torch.zeros_like(here, dtype=torch.bool), search.steps)
        patience = limit if work == torch.float64 else STALLED
        search = refine(part, target, search, banach_step, tol=near, patience=patience, limit=limit, after=False)
    if z.shape[0] and not bool((search.residual <= goal).all()):
        sample = int(search.residual.argmax())
        row = torch.tensor([sample], device=z.device)
        misfit = rows_of(part, row).value(search.x[row])[0] - target[row]
        element = tuple(int(i) for i in torch.unravel_index(misfit.abs().argmax(), z.shape[1:]))
        reason = f"the inverse did not converge to an error of {tol:.3g}"
        raise InversionError(name, sample, element, float(search.residual[sample]), goal, "Banach iteration", reason)
    found = search.x.to(z.dtype)
    rounded = sizes_in(found.to(search.x.dtype) - search.x, norm)
    error = search.residual * sizes_in(1.0 + z.to(search.x.dtype).abs(), norm) / shrink + rounded
    return found, InverseInfo(search.residual, search.steps, "Banach iteration", error)


def solve_residual(
    layer: ResidualLike | CayleyLike,
    f: TriangularMap,
    z: Tensor,
    divisor: float,
    tol: float | None,
    max_iter: int | None,
) -> tuple[Tensor, InverseInfo | None]:
    """x [B, *event] with f(x) = z, tested, f a map of the layer; gradients by the implicit function theorem."""
    if z.is_meta:  # nothing to solve: one evaluation tests the shapes
        return f.value(z)[0], None
    name = layer.path or type(layer).__name__
    with torch.no_grad(), kept_weights(with_weights(layer)[1:]):  # those of its nets; its own are in f
        x, info = banach(f, z, (divisor, layer.contraction, layer.norm_order), name, tol, max_iter)
    if torch.is_grad_enabled():
        dual = 1.0 - 1.0 / layer.norm_order  # of a gradient, the transposed map contracts the dual norm
        steps = banach_steps(layer.contraction, math.prod(layer.event_shape) ** dual, 1e-13)
        exact = 1e-12 if x.dtype == torch.float64 else 1e-5  # a step gains one factor L, not many digits
        x = implicit_gradient(f, x, z, fronts=steps, name=name, tol=exact)
    return x, info


def invert_residual(
    layer: ResidualLike, z: Tensor, tol: float | None, max_iter: int | None, context: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """x [B, *event] with f(x) = z, tested, and -log det there [B]; gradients by the implicit function theorem."""
    zero, given = no_log_det(z), 0 if context is None else 1
    with exactly(z):
        w, z = wide_weights(layer, z, context)
        f = residual_map(layer.value, w, given, layer.divisor)
        x, layer.last_inverse = solve_residual(layer, f, z, layer.divisor, tol, max_iter)
        return x, negative(log_det_of_use(layer, x, w, given, zero))


def fixed_residual(
    layer: ResidualLike, z: Tensor, steps: int, context: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """A fixed number of steps of the iteration, untested, and -log det at the result."""
    zero, given = no_log_det(z), 0 if context is None else 1
    with exactly(z):
        w, z = wide_weights(layer, z, context)
        x = authors_inversion(residual_map(layer.value, w, given, layer.divisor).value, z, steps, 1.0)
        return x, negative(log_det_of_use(layer, x, w, given, zero))
