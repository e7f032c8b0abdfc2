"""Each continuous flow of a program by itself: its field is no steeper far away, its estimates and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from . import solved, tensors
from .draws import Loader
from .meaning import FieldUse, Weights, fields_of, right_side
from .subject import Subject, continuous

Compare = Callable[[str, str, Tensor, Tensor], None]
FAR = (1.0, 1e2, 1e4, 1e6, 1e8)
BATCH = 2


def solvers_hold(
    subject: Subject, model: nn.Module, raw: dict[str, Tensor], draw: int, made: torch.Generator, compare: Compare
) -> None:
    """The field of every solver, and one of the solvers, with the weights of a draw."""
    Loader(subject.uses, model).load(raw, draw)
    own = {k: v[draw : draw + 1] for k, v in raw.items()}
    pairs = list(zip(fields_of(subject.core, subject.definition, subject.env), continuous(model), strict=True))
    chosen = int(torch.randint(0, len(pairs), (), generator=made))
    for place, (used, step) in enumerate(pairs):
        right = right_side(Weights(used.net, used.env, own, used.prefix))
        x = torch.randn((BATCH, *step.event_shape), generator=made, dtype=torch.float64)
        _slopes(right, x, step.until, made, used, compare)
        if place == chosen:
            _estimate(right, x, step, made, used, compare)


def _slopes(
    right: solved.Right, x: Tensor, until: float, made: torch.Generator, used: FieldUse, compare: Compare
) -> None:
    """A field that is Lipschitz has slopes that do not grow with the distance."""
    directions = torch.randn((64, x[0].numel()), generator=made, dtype=torch.float64)
    steepest = []
    for distance in FAR:
        found = right(tensors.variable(distance * directions.unsqueeze(0), len(directions)), until / 2)
        steepest.append(found.jacobian.abs().amax())
    near, far = torch.stack(steepest[:2]).amax(), torch.stack(steepest[2:]).amax()
    where = f"the field {used.net.name} of {used.prefix}"
    compare("bounded slopes", where, far.nan_to_num(torch.inf)[None], (100 * (1e-9 + near))[None])


def _estimate(
    right: solved.Right, x: Tensor, step: Any, made: torch.Generator, used: FieldUse, compare: Compare
) -> None:
    """The log-det with noise is the integral of v' J v for the noise of this solve; the adjoint gives the gradient."""
    probes, seed = int(torch.randint(1, 4, (), generator=made)), int(torch.randint(0, 1 << 30, (), generator=made))
    kept, step.probes, step.adjoint = (step.probes, step.adjoint), probes, True
    try:
        torch.manual_seed(seed)
        point = x.clone().requires_grad_()
        z, log_det = step(point)
        (pulled,) = torch.autograd.grad(z.sum(), point)
    finally:
        step.probes, step.adjoint = kept
    torch.manual_seed(seed)
    noise = torch.randint(0, 2, (probes, *x.shape)).to(x.dtype) * 2 - 1
    fine, rough = solved.solve(right, x.flatten(1).unsqueeze(0), step.until, noise.flatten(2))
    off, where = solved.tolerated(fine, step.tol)[0], f"{used.prefix} with {probes} draws"
    off = off.masked_fill(fine.bent[0], torch.inf)
    steep = fine.jacobian.abs().sum(-1).amax(-1)[0] * (1 + fine.trace[0].abs())
    compare(
        "estimated trace",
        where,
        (log_det.detach() - fine.trace[0]).abs(),
        off * steep + solved.MISSED * (fine.trace - rough.trace)[0].abs(),
    )
    mine = fine.jacobian[0].sum(1)
    missed = solved.MISSED * (fine.jacobian - rough.jacobian)[0].abs().sum((1, 2)) + off * steep
    compare("gradient of the adjoint", where, (pulled.flatten(1) - mine).abs(), missed.unsqueeze(-1))
