"""The registry of solvers of ordinary differential equations (`ode NET by dopri5(...)`), adaptive ones only.

A solver is a method of torchdiffeq: it chooses its steps so that the estimated error of each is below the tolerance.
The error at the end is not bounded by it. A method with fixed steps has no tolerance at all, so there is none here.
"""

from __future__ import annotations

from mintdsl.core.options import Option, real
from mintdsl.records import record


@record
class SolverInfo:
    """One method; `order` is that of its steps, `options` what may be given to it."""

    name: str
    order: int
    summary: str
    options: tuple[Option, ...] = (real("until", 1.0, positive=True), real("tol", 1e-5, positive=True))


_ALL = (
    SolverInfo("dopri5", 5, "Runge-Kutta of Dormand and Prince, 6 evaluations a step"),
    SolverInfo("dopri8", 8, "Runge-Kutta of Dormand and Prince, 13 evaluations a step: for tight tolerances"),
    SolverInfo("bosh3", 3, "Runge-Kutta of Bogacki and Shampine, 3 evaluations a step"),
    SolverInfo("adaptive_heun", 2, "the method of Heun, 2 evaluations a step: for loose tolerances"),
)
SOLVERS: dict[str, SolverInfo] = {s.name: s for s in _ALL}

TRACES = ("exact", "hutchinson")
"""How the trace of the field's Jacobian is made, `log_det` behind a step `ode`."""
