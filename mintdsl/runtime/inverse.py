"""Inverses of nonlinear triangular layers.

Algorithm 1 of MintNet (Song, Meng and Ermon, 2019) is fast but converges only locally. Where it fails, every element's
scalar equation is solved with the other coordinates frozen, all elements at once, and again. After P such sweeps, P
the longest dependency path, the result is exact from any start: elements of front k depend on earlier fronts only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mintdsl.runtime.fibre import solve_fibres


class TriangularMap(NamedTuple):
    """What a solver knows of a layer f whose Jacobian is triangular; x is [B, *event], weights are bound inside.

    value(x) -> (f(x), diagonal of the Jacobian), both shaped as x.
    rests(x) -> what each linear map adds from the other coordinates, frozen at x.
    fibre(s, rests) -> (y, slope): each element's own scalar map and its derivative; fibre(x, rests(x)) is value(x).
    slope_bound() -> supremum of |diagonal| over an element's own coordinate, broadcastable to x, or None.
    promote(dtype) -> the same map with weights of another dtype; None: only the dtype at hand is worked in.
    rows(index) -> the same map for the samples `index` only; needed where the functions hold a tensor per sample
        (context). None: the functions take any batch.
    """

    value: Callable[[Tensor], tuple[Tensor, Tensor]]
    rests: Callable[[Tensor], tuple[Tensor, ...]]
    fibre: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, Tensor]]
    slope_bound: Callable[[], Tensor | None]
    promote: Callable[[torch.dtype], TriangularMap] | None = None
    rows: Callable[[Tensor], TriangularMap] | None = None


class InverseInfo(NamedTuple):
    """How an inverse was found: residual max |f(x) - z| / (1 + |z|) of each sample, steps of all stages, last stage.

    `error` [B] is a bound of the distance to the exact solution, in the norm of the layer, where it has one.
    """

    residual: Tensor
    steps: int
    stage: str
    error: Tensor | None = None


class InversionError(RuntimeError):
    """No x with f(x) = z was found to the tolerance asked for. Carries its facts as fields; pickles."""

    def __init__(
        self, layer: str, sample: int, element: tuple[int, ...], residual: float, tol: float, stage: str, reason: str
    ) -> None:
        super().__init__(layer, sample, element, residual, tol, stage, reason)
        self.layer, self.sample, self.element = layer, sample, element
        self.residual, self.tol, self.stage, self.reason = residual, tol, stage, reason

    def __str__(self) -> str:
        return (
            f"{self.layer}: {self.reason}; worst at sample {self.sample}, element {self.element}, with a relative "
            f"residual of {self.residual:.3g} for a tolerance of {self.tol:.3g}, after {self.stage}"
        )


class Search(NamedTuple):
    """State of a search: best iterate of each sample, its slopes (the diagonal there), its residual, which samples met
    NaN or inf, steps taken."""

    x: Tensor
    slopes: Tensor
    residual: Tensor
    broken: Tensor
    steps: int


def relative_residual(y: Tensor, z: Tensor) -> Tensor:
    """max |y - z| / (1 + |z|) of each sample [B]; inf where y is not finite."""
    worst = (y - z).abs_().div_(z.abs().add_(1.0)).flatten(1).amax(1)  # in place: of large batches memory is the cost
    return torch.where(torch.isnan(worst), math.inf, worst)


def all_finite(x: Tensor) -> bool:
    """Whether no entry is NaN or infinite: by the ends, read in one pass."""
    return not x.numel() or bool(torch.isfinite(torch.stack(x.aminmax())).all())


def refine(
    layer: TriangularMap,
    z: Tensor,
    search: Search,
    step: Callable[[TriangularMap, Tensor, Tensor, Tensor, Tensor, int], Tensor],
    *,
    tol: float,
    patience: int,
    limit: int,
    after: bool = True,
    until: int = 0,
) -> Search:
    """Iterate x <- step(layer, x, f(x), diagonal, z, count) for the samples above `tol`, from their best iterates.

    A sample leaves when it met `tol` (with `after` one step later: near a solution a step gains many digits for one
    evaluation), after `patience` steps without a new minimum, and, from step `until` on, when f is not finite or an
    iterate does not move. Samples that left cost nothing more. At most `limit` steps.
    """
    best, slopes, residual, own = search.x, search.slopes, search.residual.clone(), False
    broken = torch.zeros_like(search.broken)
    rows = (residual > (0.0 if after else tol)).nonzero().flatten()
    part, (x, target) = rows_of(layer, rows), (best, z) if rows.numel() == len(z) else (best[rows], z[rows])
    waited, moved, count = torch.zeros_like(rows), torch.ones_like(rows, dtype=torch.bool), 0
    while rows.numel() > 0:
        y, diagonal = part.value(x)
        before, now = residual[rows], relative_residual(y, target)
        lower = now < before
        if rows.numel() == len(z) and bool(lower.all()):
            best, slopes, own = x, diagonal, False  # of all samples: nothing to copy
        else:
            if not own:
                best, slopes, own = best.clone(), slopes.clone(), True
            better = lower.reshape(-1, *[1] * (x.dim() - 1))
            best[rows], slopes[rows] = torch.where(better, x, best[rows]), torch.where(better, diagonal, slopes[rows])
        residual[rows] = torch.where(lower, now, before)
        broken[rows] = torch.isinf(now)
        waited = torch.where(lower, 0, waited + 1)
        met = (before if after else residual[rows]) <= tol
        stay = ~met & (waited <= patience)
        if count >= until:
            stay = stay & moved & ~torch.isinf(now)
        if count == limit:
            break
        if not bool(stay.all()):
            rows, waited, x, y, diagonal = rows[stay], waited[stay], x[stay], y[stay], diagonal[stay]
            part, target = rows_of(layer, rows), z[rows]
            if rows.numel() == 0:
                break
        following = step(part, x, y, diagonal, target, count)
        moved = (following != x).flatten(1).any(1)
        x, count = following, count + 1
    return Search(best, slopes, residual, broken, search.steps + count)


def rows_of(layer: TriangularMap, rows: Tensor) -> TriangularMap:
    """The layer for some of the samples."""
    return layer if layer.rows is None else layer.rows(rows)


def sweep_fibres(layer: TriangularMap, x: Tensor, z: Tensor, sign: Tensor) -> Tensor:
    """Solve every element's equation with the others frozen at x; elements without a solution wait where they are."""
    rests = layer.rests(x)
    return solve_fibres(lambda s: layer.fibre(s, rests), z, x, sign)[0]


def missed_tolerance(
    layer: TriangularMap,
    z: Tensor,
    search: Search,
    sign: Tensor,
    front_of: Tensor,
    tol: float,
    name: str,
    stage: str,
) -> InversionError:
    """The error to raise for the worst sample: its worst element, or the first one whose equation has no solution."""
    sample = int(search.residual.argmax())
    row = torch.tensor([sample], device=z.device)
    part, x, target = rows_of(layer, row), search.x[row], z[row]
    y, _ = part.value(x)
    rests = part.rests(x)
    _, solved = solve_fibres(lambda s: part.fibre(s, rests), target, x, sign)
    reason = f"the inverse did not converge (|x| reaches {float(x.abs().max()):.1e})"
    misfit = ((y - target).abs() / (1.0 + target.abs())).nan_to_num(math.inf)
    if not bool(solved.all()):
        reason = "z is not in the image of the layer (no floating-point x gives this element its value)"
        # elements behind the first failing one may fail because of it
        fronts = front_of.expand_as(target)
        misfit = torch.where(solved | (fronts > fronts[~solved].min()), -1.0, misfit)
    element = tuple(int(i) for i in torch.unravel_index(misfit.argmax(), z.shape[1:]))
    return InversionError(name, sample, element, float(search.residual[sample]), tol, stage, reason)


@torch.no_grad()
def invert_triangular(
    layer: TriangularMap,
    z: Tensor,
    *,
    fronts: int,
    name: str = "layer",
    sign: Tensor | float = 1.0,
    front_of: Callable[[], Tensor] | None = None,
    alpha: float = 1.0,
    tol: float | None = None,
    max_iter: int | None = None,
    newton: bool = True,
    start: Tensor | None = None,
) -> tuple[Tensor, Tensor, InverseInfo]:
    """Solve f(x) = z for a lower or upper triangular layer: (x and the diagonal of the Jacobian there, shaped as z;
    how it went).

    1. Algorithm 1 of MintNet, x <- x - alpha (f(x) - z) / diagonal, from `start` or z, until `tol` is met (and, from z,
       one step more) or P + 20 steps bring no new minimum (residuals may rise during the first P). Exact after P steps
       if alpha = 1 and f is affine in each own coordinate.
    2. Fibre sweeps, P of them, exact from any start; then front by front, each solved once and kept, for samples that
       overflowed or whose rounding errors never settle.
    3. Where the slopes along each fibre are bounded by h: steps x <- x - (f(x) - z) / (h (1 + 1e-6)), at most 200.

    z is [B, *event], `fronts` is P, the number of elements on the longest dependency path, `front_of` gives each
    element's front (1..P, event shape), `sign` the sign of the diagonal (+-1, event shape). `tol` bounds the residual
    max |f(x) - z| / (1 + |z|) of each sample (default 1e-11 in float64, else 1e-5); it bounds the error of x only
    through the condition of f. `max_iter` bounds the steps of all stages together; newton=False leaves stage 1 out.

    Works in the dtype of z (16 bits: in float32). Samples that miss `tol` there go on in float64, where the sweeps run
    too, if the layer can be promoted; the residual is then the one in float64, and rounding x to its dtype adds up
    to slope * ulp(x). No gradients: see implicit_gradient. Raises InversionError if a sample misses `tol`.
    """
    given, dtype, device, ones = layer, z.dtype, z.device, [1] * (z.dim() - 1)
    tol = (1e-11 if dtype == torch.float64 else 1e-5) if tol is None else tol
    if not all_finite(z):
        sample, *element = (~torch.isfinite(z)).nonzero()[0].tolist()
        raise InversionError(name, sample, tuple(element), math.inf, tol, "no step", "z is not finite")
    dtypes = [dtype]
    if layer.promote is not None and dtype != torch.float64:
        first = torch.float32
        dtypes = [first, torch.float64] if tol >= 32.0 * torch.finfo(first).eps else [torch.float64]
    residual = torch.full((z.shape[0],), math.inf, dtype=dtypes[0], device=device)
    begin = z.clone() if start is None else start  # what is returned is never z itself
    begin = begin if all_finite(begin) else torch.where(torch.isfinite(begin), begin, 0.0)
    begin, broken = begin.to(dtypes[0]), torch.zeros_like(residual, dtype=torch.bool)
    search = Search(begin, torch.full_like(residual, math.nan).view(-1, *ones).expand_as(begin), residual, broken, 0)

    def left(bound: int) -> int:
        return bound if max_iter is None else max(0, min(bound, max_iter - search.steps))

    def newton_step(part: TriangularMap, x: Tensor, y: Tensor, slope: Tensor, goal: Tensor, count: int) -> Tensor:
        return x - alpha * (y - goal) / slope

    def sweep(part: TriangularMap, x: Tensor, y: Tensor, slope: Tensor, goal: Tensor, count: int) -> Tensor:
        return sweep_fibres(part, x, goal, direction)

    def front_sweep(part: TriangularMap, x: Tensor, y: Tensor, slope: Tensor, goal: Tensor, count: int) -> Tensor:
        return torch.where(numbers == count + 1, sweep_fibres(part, x, goal, direction), x)

    def beta_step(part: TriangularMap, x: Tensor, y: Tensor, slope: Tensor, goal: Tensor, count: int) -> Tensor:
        return x - (y - goal) / beta

    stage = "Algorithm 1"
    with torch.autocast(device.type, enabled=False):  # rounded to 16 bits, f would be a step function
        for work in dtypes:
            if not bool((search.residual > tol).any()):
                break
            layer = given if work == dtype or given.promote is None else given.promote(work)
            z = z.to(work)
            # a residual of the lower precision stands where it met tol and is forgotten elsewhere
            residual = torch.where(search.residual <= tol, search.residual, math.inf).to(work)
            search = search._replace(x=search.x.to(work), slopes=search.slopes.to(work), residual=residual)
            for _ in range(2 if newton else 0):
                if not bool((search.residual > tol).any()):
                    break
                limit = left(100 + 4 * fronts)
                patience, after = fronts + 20, start is None  # a start that is good is not refined
                search = refine(layer, z, search, newton_step, tol=tol, patience=patience, limit=limit, after=after)
                lost = torch.isinf(search.residual)
                if not bool(lost.any()):
                    break
                search = search._replace(x=search.x.masked_fill(lost.reshape(-1, *ones), 0.0))  # f overflows at z
        direction = torch.as_tensor(sign, dtype=z.dtype, device=device)
        numbers = torch.ones((), device=device) if front_of is None else front_of().to(device)
        if bool((search.residual > tol).any()):
            stage, limit = "fibre sweeps", left(fronts + 3)
            search = refine(layer, z, search, sweep, tol=tol, patience=limit, limit=limit, after=False, until=1)
        if front_of is not None and bool((search.residual > tol).any()):
            stage, limit = "fibre sweeps front by front", left(fronts + 3)
            search = refine(
                layer, z, search, front_sweep, tol=tol, patience=limit, limit=limit, after=False, until=fronts
            )
        slopes = layer.slope_bound() if bool((search.residual > tol).any()) else None
        if slopes is not None and bool(torch.isfinite(slopes).all()):
            stage, beta = "beta steps", slopes * (1.0 + 1e-6) * direction
            search = refine(layer, z, search, beta_step, tol=tol, patience=200, limit=left(200))
        if bool((search.residual > tol).any()):
            raise missed_tolerance(layer, z, search, direction, numbers, tol, name, stage)
    return search.x.to(dtype), search.slopes, InverseInfo(search.residual, search.steps, stage)


def invert_elementwise(
    fibre: Callable[[Tensor], tuple[Tensor, Tensor]],
    z: Tensor,
    *,
    name: str = "layer",
    sign: Tensor | float = 1.0,
    tol: float | None = None,
    promote: Callable[[torch.dtype], Callable[[Tensor], tuple[Tensor, Tensor]]] | None = None,
) -> tuple[Tensor, Tensor, InverseInfo]:
    """Solve fibre(s) = z for an elementwise monotone map, fibre(s) -> (value, slope): one fibre sweep.

    Arguments, returns and errors as for invert_triangular.
    """

    def as_map(function: Callable[[Tensor], tuple[Tensor, Tensor]]) -> TriangularMap:
        return TriangularMap(
            value=function,
            rests=lambda x: (),
            fibre=lambda s, rests: function(s),
            slope_bound=lambda: None,
            promote=None if promote is None else lambda dtype: as_map(promote(dtype)),
        )

    return invert_triangular(as_map(fibre), z, fronts=1, name=name, sign=sign, tol=tol, newton=False)


@torch.no_grad()
def authors_inversion(
    value: Callable[[Tensor], tuple[Tensor, Tensor]], z: Tensor, steps: int, divisor: float, x0: Tensor | None = None
) -> Tensor:
    """The fixed iteration of the MintNet code, x <- x + (z - f(x)) / (divisor * diagonal), `steps` times, untested.

    For comparison, and where a fixed number of steps is wanted (torch.compile). The authors divide by 3.5, 1.1 and 1.15
    and start from z / t, which is useless for small t: here the start is x0, by default z.
    """
    x = z if x0 is None else x0
    for _ in range(steps):
        y, diagonal = value(x)
        x = x + (z - y) / (divisor * diagonal)
    return x
