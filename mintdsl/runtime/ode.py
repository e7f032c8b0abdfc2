"""Continuous flows: z(T) of dz/dt = f(z, t), its log-det and its inverse, by the adaptive solvers of torchdiffeq.

The state is z beside the integral of the trace of df/dz, and where they are asked for the integrals of |f|^2 and of
|df/dz|^2 (Frobenius). The solver keeps the estimated error of each step, the larger of the root mean squares of its
parts over the whole batch, below tol (1 + |state|). Nothing bounds the error at the end, and what comes of a sample
depends, within the tolerance, on the batch that it is in. Gradients come from the adjoint equation, solved backwards
with the same tolerance: memory does not grow with the number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor, nn

from mintdsl.runtime.factors import exactly
from mintdsl.runtime.inverse import InversionError

ODE_LIMIT = 4096
AT_ONCE = 64
"""Products with the Jacobian that are made together for an exact trace."""
MOST_STEPS = 2000
"""Of a solver, one way; FFJORD takes some dozens."""


class OdeField(nn.Module):
    """The right side of the augmented equation during one solve: `noise` [probes, B, *event], None for exact traces."""

    def __init__(self, field: nn.Module, noise: Tensor | None, measured: bool) -> None:
        super().__init__()
        self.field, self.noise, self.measured = field, noise, measured

    def forward(self, t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """df/dt of z [B, *event] and of the integrals [B] beside it."""
        z = state[0]
        time = t.to(z.dtype).expand(z.shape[0], 1)
        made = torch.func.vjp(lambda v: self.field(v, time), z)
        slope, pull = made[0], made[1]
        shape = z.shape[1:]
        size = math.prod(shape)
        noise = self.noise
        if noise is None:
            noise = torch.eye(size, dtype=z.dtype, device=z.device).reshape(size, 1, *shape)

        def products(v: Tensor) -> tuple[Tensor, Tensor]:
            v = v.expand(z.shape)
            (row,) = pull(v)
            return (row * v).flatten(1).sum(1), row.square().flatten(1).sum(1)

        traces, squares = torch.vmap(products, chunk_size=AT_ONCE)(noise)
        draws = 1 if self.noise is None else noise.shape[0]
        if torch.is_grad_enabled() and not slope.requires_grad:
            slope = slope + 0 * z  # a field that reads nothing: the adjoint differentiates it all the same
        found = (slope, traces.sum(0) / draws)
        return (*found, slope.square().flatten(1).sum(1), squares.sum(0) / draws) if self.measured else found


class OdeStep(nn.Module):
    """The flow of `field`, a net of z [B, *event] and the time [B, 1], from 0 to `until`; `probes` 0: exact traces.

    `adjoint = False` differentiates through the steps of the solver instead: memory grows with their number. `measured`
    takes the integrals of |f|^2 and |df/dz|^2 of every solve while it is a list; `energies` sets it.
    """

    def __init__(
        self, field: nn.Module, shape: tuple[int, ...], *, method: str, until: float, tol: float, probes: int
    ) -> None:
        super().__init__()
        self.event_shape, self.path, self.field = tuple(shape), "", field
        self.method, self.until, self.tol, self.probes = method, until, tol, probes
        self.adjoint = True
        self.measured: list[tuple[Tensor, Tensor]] | None = None

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z at `until` [B, *event] and log |det| [B], to solver tolerance."""
        return ode_solution(self, x, 0.0, self.until, self.tol, MOST_STEPS)

    def inverse(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        tol: float | None = None,
        max_iter: int | None = None,
        fixed: tuple[int, float] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """x and log |det dx/dz|, integrated backwards; `tol` is the solver's, `max_iter` the most steps.

        No residual is tested. `fixed` means nothing here. InversionError for values that are not finite.
        """
        if not z.is_meta and not bool(torch.isfinite(z).all()):
            sample, *place = (~torch.isfinite(z)).nonzero()[0].tolist()
            name = self.path or type(self).__name__
            raise InversionError(name, sample, tuple(place), math.inf, self.tol, "no step", "z is not finite")
        most = MOST_STEPS if max_iter is None else max_iter
        return ode_solution(self, z, self.until, 0.0, self.tol if tol is None else tol, most)


def solver_library() -> ModuleType:
    """torchdiffeq, which only modules with an `ode` need. ImportError says how to get it."""
    try:
        import torchdiffeq
    except ImportError as error:
        raise ImportError("a step `ode` is solved by torchdiffeq, which is missing: pip install torchdiffeq") from error
    found: ModuleType = torchdiffeq
    return found


def ode_solution(step: OdeStep, z: Tensor, start: float, end: float, tol: float, most: int) -> tuple[Tensor, Tensor]:
    """z [B, *event] moved from the time `start` to `end`, and the integral of the trace on the way [B].

    Never in 16 bits under autocast; no tolerance is below 32 rounding units. What chooses its steps by the numbers
    at hand cannot be one graph: torch.compile leaves the solver as it is. ValueError for numbers of 16 bits, and for
    exact traces of too many elements; RuntimeError where the solver gives up.
    """
    if torch.compiler.is_compiling():
        alone: Callable[..., tuple[Tensor, Tensor]] = torch.compiler.disable(solve_ode)  # type: ignore[no-untyped-call]
        return alone(step, z, start, end, tol, most)
    return solve_ode(step, z, start, end, tol, most)


def solve_ode(step: OdeStep, z: Tensor, start: float, end: float, tol: float, most: int) -> tuple[Tensor, Tensor]:
    """The same, uncompiled."""
    name = step.path or type(step).__name__
    size = math.prod(step.event_shape)
    if not step.probes and size > ODE_LIMIT:
        raise ValueError(
            f"{name}: `log_det exact` makes {size} products with the Jacobian at each time, for at most {ODE_LIMIT} "
            "elements; use `log_det hutchinson(probes = 1)`"
        )
    with exactly(z):
        kept = z.dtype
        for parameter in step.field.parameters():
            kept = torch.promote_types(kept, parameter.dtype)
        if kept not in (torch.float32, torch.float64):
            raise ValueError(f"{name}: numbers in {kept} meet no tolerance of a solver; use float32 or float64")
        z = z.to(kept)
        noise = None
        if step.probes:
            noise = torch.randint(0, 2, (step.probes, *z.shape), device=z.device).to(z.dtype) * 2 - 1
        field = OdeField(step.field, noise, step.measured is not None)
        beside = [z.new_zeros(z.shape[0]) for _ in range(3 if field.measured else 1)]
        if z.is_meta or not z.shape[0]:  # nothing to solve: one evaluation tests the shapes
            found = field(z.new_zeros(()), (z, *beside)) if z.shape[0] else (z, *beside)
            found = tuple(v + 0 * w for v, w in zip((z, *beside), found, strict=True))
        else:
            library, times = solver_library(), torch.tensor([start, end], dtype=z.dtype, device=z.device)
            solve = library.odeint_adjoint if step.adjoint else library.odeint
            tol = max(tol, 32 * torch.finfo(z.dtype).eps)
            # the last step ends at the end, forth and back and in the adjoint: else the value there is interpolated
            ends = torch.tensor([-step.until, 0.0, step.until], dtype=z.dtype, device=z.device)
            options = {"max_num_steps": most, "step_t": ends}
            about = {"rtol": tol, "atol": tol, "method": step.method, "options": options}
            try:
                found = tuple(part[-1] for part in solve(field, (z, *beside), times, **about))
            except AssertionError as error:
                raise RuntimeError(
                    f"{name}: {step.method} gave up at the tolerance {tol:g}: {str(error).partition(':')[0]}"
                ) from error
        if step.measured is not None:
            step.measured.append((found[2], found[3]))
        return found[0], found[1]


class Energy:
    """What regularises continuous flows (RNODE, Finlay et al. 2020, arXiv:2002.02798), of all solves inside `energies`.

    `kinetic` and `jacobian`, [B] each: the integrals of |f|^2 and of |df/dz|^2, the latter estimated as the trace is.
    """

    def __init__(self, steps: list[OdeStep]) -> None:
        self.steps = steps
        self.taken: list[tuple[Tensor, Tensor]] = []

    @property
    def kinetic(self) -> Tensor:
        """The sum over the steps."""
        return torch.stack([kinetic for kinetic, _ in self.taken]).sum(0)

    @property
    def jacobian(self) -> Tensor:
        """The sum over the steps."""
        return torch.stack([jacobian for _, jacobian in self.taken]).sum(0)


@contextmanager
def measured_energies(model: nn.Module) -> Iterator[Energy]:
    """Inside, the continuous flows of the model take the integrals that regularise them as well."""
    energy = Energy([m for m in model.modules() if isinstance(m, OdeStep)])
    for step in energy.steps:
        step.measured = energy.taken
    try:
        yield energy
    finally:
        for step in energy.steps:
            step.measured = None
