"""Continuous flows solved a second time: RK4 in equal steps, for the state, its Jacobian and the integral of the trace.

The field is the meaning of its net. A solver of the module keeps an estimate of the error of each of its steps below a
tolerance, as a root mean square over the numbers of a batch, so that one number may be off by more; what the flow makes
of an error on the rest of the way is `spread`. The estimate is that of a method of lower order, so that one such error
at the worst time is about ten times as large as what is measured; where the flow grows fast, several steps make it.
What the equal steps miss is at most some times the difference to half as many: where a field has kinks, as slopes of
elu, a finer step need not be a better one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from . import tensors
from .tensors import Field

FEW, MOST = 4, 40
"""Equal steps of a solve, the finer one has twice as many."""

SEVERAL = 8
"""Steps with the largest error at the worst time that are allowed for."""

MISSED = 8
"""How many times the difference to half as many steps these steps may miss."""

EQUAL: int | None = None
"""Steps of a unit of time inside of `equal_steps`."""


@contextmanager
def equal_steps(count: int) -> Iterator[None]:
    """Inside, a flow is what so many equal steps a unit of time make of it, up to rounding."""
    global EQUAL
    before, EQUAL = EQUAL, count
    try:
        yield
    finally:
        EQUAL = before


Right = Callable[[Field, float], Field]
"""f(z, t), differentiated at all points."""


@dataclass(frozen=True)
class Solved:
    """The end of a solve: z [R, B, D], M = dz(T)/dz(0) [R, B, D, D], the integral of the trace [R, B].

    `spread` [R, B] is the largest norm of M(T) M(t)^-1, what the rest of the way makes of an error at t, and `size`
    [R, B] the largest magnitude on the way, `bent` [R, B] whether it met a kink: exactly, as inputs at 0 do. With noise
    [P, B, D] the trace is the mean of v' J v.
    """

    value: Tensor
    jacobian: Tensor
    trace: Tensor
    spread: Tensor
    size: Tensor
    bent: Tensor


def steps_for(right: Right, z: Tensor, until: float) -> int:
    """More where the field is steep at the start."""
    steep = right(tensors.variable(z, z.shape[1]), 0.0).jacobian.abs().sum(-1).amax()
    return min(MOST, max(FEW, math.ceil(2 * until * float(steep))))


def rk4(right: Right, z: Tensor, until: float, count: int, noise: Tensor | None = None) -> Solved:
    """`count` steps of the classical method, from z [R, B, D] at the time 0."""
    draws, points, size = z.shape
    eye = torch.eye(size, dtype=z.dtype)
    state = (z, eye.expand(draws, points, size, size), torch.zeros(draws, points, dtype=z.dtype))
    h, ways, most, bent = until / count, [state[1]], z.abs().amax(-1), torch.zeros(draws, points, dtype=torch.bool)

    def slope(at: tuple[Tensor, Tensor, Tensor], time: float) -> tuple[Tensor, Tensor, Tensor]:
        found = right(tensors.variable(at[0], points), time)
        own = found.jacobian
        bent.logical_or_(torch.isinf(found.rough))
        if noise is None:
            trace = own.diagonal(dim1=-2, dim2=-1).sum(-1)
        else:
            trace = torch.einsum("pbd,rbde,pbe->rb", noise, own, noise) / len(noise)
        return found.value, own @ at[1], trace

    for k in range(count):
        a = slope(state, k * h)
        b = slope(_moved(state, h / 2, a), (k + 0.5) * h)
        c = slope(_moved(state, h / 2, b), (k + 0.5) * h)
        d = slope(_moved(state, h, c), (k + 1) * h)
        mean = [(p + 2 * q + 2 * r + s) / 6 for p, q, r, s in zip(a, b, c, d, strict=True)]
        state = _moved(state, h, (mean[0], mean[1], mean[2]))
        ways.append(state[1])
        most = torch.maximum(most, state[0].abs().amax(-1))
    # M(T) M(t)^-1 at some times
    some = torch.stack(ways[:: max(1, count // FEW)])
    spread = torch.linalg.solve(some.mT, state[1].mT.expand_as(some)).abs().sum(-2).amax(-1).amax(0)
    return Solved(*state, spread.clamp(min=1.0), most, bent)


def _moved(
    state: tuple[Tensor, Tensor, Tensor], by: float, slope: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    return state[0] + by * slope[0], state[1] + by * slope[1], state[2] + by * slope[2]


def solve(right: Right, z: Tensor, until: float, noise: Tensor | None = None) -> tuple[Solved, Solved]:
    """With many steps, and with half as many: the difference is what both may miss."""
    count = steps_for(right, z, until)
    return rk4(right, z, until, 2 * count, noise), rk4(right, z, until, count, noise)


def tolerated(found: Solved, tol: float) -> Tensor:
    """What a solver with this tolerance may leave of each entry at the end, [R, B]."""
    tol = max(tol, 32 * tensors.EPS)
    _, points, size = found.value.shape
    return SEVERAL * tol * math.sqrt(points * size) * found.spread * (1 + found.size)


def flow(right: Right, x: Field, until: float, tol: float) -> Field:
    """z(T), with the error that the solver of a module may have; the Jacobian where x has one."""
    if EQUAL is None:
        fine, rough = solve(right, x.value, until)
        off = tolerated(fine, tol)
    else:
        fine = rough = rk4(right, x.value, until, max(1, math.ceil(until * EQUAL)))
        off = 1e-13 * fine.spread * (1 + fine.size)
    points, inside = x.jacobian.shape[1], fine.jacobian.abs()
    relative, off = off / (10 * (1 + fine.size)), off / 32  # comparisons allow 32 of these
    error = (inside @ x.error.unsqueeze(-1)).squeeze(-1) + off.unsqueeze(-1)
    error = error + MISSED * (fine.value - rough.value).abs() / 32
    own = fine.jacobian[:, :points]
    missed = MISSED * (fine.jacobian - rough.jacobian).abs().amax((-1, -2)) / fine.jacobian.abs().amax((-1, -2))
    gain = own.abs().sum(-1).amax(-1)
    steep = (own.abs() @ x.steep.unsqueeze(-1)).squeeze(-1)
    slopes = x.rough * gain + (missed / 10 + relative).masked_fill(fine.bent, torch.inf)[:, :points]
    return Field(fine.value, error, own @ x.jacobian, steep, slopes, gain * x.gain)
