"""What a continuous flow means: the solution of dz/dt = f(z, t) at the end of the time, by small steps of RK4.

The numbers carry gradients, so the Jacobian is that of the steps, which goes to that of the flow as they get smaller.
The steps are equal, far more than an adaptive solver takes, and the trace of the field's Jacobian has no part in it.
"""

from __future__ import annotations

from math import ceil

from mintdsl.core.dual import combine, constant
from mintdsl.core.interpret_layer import Tensor, Watch, apply_net
from mintdsl.core.interpret_weights import Weights

STEPS = 40
"""Of each unit of time: the error is about (1/40)^4, times what the field's derivatives are."""


def integrated(field: Weights, z: Tensor, until: float, watch: Watch | None = None, steps: int = STEPS) -> Tensor:
    """z [flat] at the time `until` of the solution that starts in `z` at 0, in `steps` steps a unit of time."""
    count = max(1, ceil(until * steps))
    h = until / count

    def slope(at: Tensor, time: float) -> Tensor:
        return apply_net(field, [at, [constant(time)]], watch)[0]

    def moved(by: float, direction: Tensor) -> Tensor:
        return [combine(((1.0, a), (by, d))) for a, d in zip(z, direction, strict=True)]

    for k in range(count):
        time = k * h
        a = slope(z, time)
        b = slope(moved(h / 2, a), time + h / 2)
        c = slope(moved(h / 2, b), time + h / 2)
        d = slope(moved(h, c), time + h)
        z = [
            combine(((1.0, v), (h / 6, p), (h / 3, q), (h / 3, r), (h / 6, s)))
            for v, p, q, r, s in zip(z, a, b, c, d, strict=True)
        ]
    return z
