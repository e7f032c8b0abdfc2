"""An adversary: gradient ascent over stored weights and inputs, against what was proved of a layer.

Random numbers rarely reach the corners where a wrong bound shows; an ascent walks there. It moves the weights and the
inputs of several starts at once, towards a slope, a secant or a value outside of its proved interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import torch
from torch import Tensor

from mintdsl.core.interpret import parameters
from mintdsl.proof.jacobian import DENSE, Jacobian

from .facts import Failure, excess_of
from .meaning import Formula, Used, Weights
from .oracles import Verdict
from .subject import Subject, layer_proof
from .tensors import Field, variable

STARTS, STEPS = 6, 40


def attack(subject: Subject, seed: str, verdict: Verdict) -> None:
    """Try to break the class of one of the layers of a subject."""
    rng = Random(f"{seed}:adversary")
    if not subject.uses:
        return
    used = rng.choice(subject.uses)
    fact = layer_proof(used).jacobian
    made = torch.Generator().manual_seed(rng.getrandbits(48))
    for goal in ("slope", "secant", "value"):
        verdict.checks["attack"] += 1
        verdict.failures += _ascend(subject, used, fact, goal, made, rng)


def _ascend(
    subject: Subject, used: Used, fact: Jacobian, goal: str, made: torch.Generator, rng: Random
) -> list[Failure]:
    interval = fact.range.interval if goal == "value" else fact.diag.interval
    if goal != "value" and fact.off == DENSE or not (math.isfinite(interval.lo) or math.isfinite(interval.hi)):
        return []
    shapes = parameters(subject.core, subject.key, subject.env.dims, subject.args, subject.env.given)
    raw = {}
    for key, shape in shapes.items():
        if key.startswith(used.prefix):
            normal = torch.randn((STARTS, *shape), generator=made, dtype=torch.float64)
            raw[key] = torch.where(normal < 0, -1.0, 1.0).double() if key.endswith("_sign") else normal
    moved = [t.requires_grad_() for k, t in raw.items() if not k.endswith("_sign")]
    size = math.prod(used.env.dims)
    x = (2 * torch.randn((STARTS, 1, size), generator=made, dtype=torch.float64)).requires_grad_()
    step = torch.randn((STARTS, 1), generator=made, dtype=torch.float64).requires_grad_()
    place = rng.randrange(size)
    upper = math.isfinite(interval.hi) and (not math.isfinite(interval.lo) or rng.random() < 0.5)
    ways: dict[str, Callable[[Field, Weights], tuple[Tensor, Tensor]]] = {
        "slope": lambda f, w: _slope(fact, f, w),
        "secant": lambda f, w: _secant(fact, f, w, step, place),
        "value": lambda f, w: _value(fact, f, w),
    }
    tensors = (*moved, x, step)
    speed = [torch.zeros_like(t) for t in tensors]
    worst, found = -math.inf, ""
    for _ in range(STEPS):
        beside = torch.cat([x, x + step.unsqueeze(-1) * torch.eye(size, dtype=x.dtype)[place]], 1)
        weights = Weights(used.layer, used.env, raw, used.prefix)
        field = Formula(used.env, variable(beside, 1), weights).layer()
        values, slack = ways[goal](field, weights)
        over = torch.where(torch.isfinite(values), excess_of(interval, values) - slack, -torch.inf).detach()
        if over.numel() and float(over.max()) > worst:
            worst = float(over.max())
            at = int(over.argmax())
            found = f"{float(values.detach().flatten()[at]):.9g} is not in {interval}"
        aim = values if upper else -values
        loss = -torch.where(torch.isfinite(aim), aim, 0.0).amax(-1).sum()
        if not bool(torch.isfinite(loss)) or not loss.requires_grad:
            break
        gradients = torch.autograd.grad(loss, tensors, allow_unused=True)
        with torch.no_grad():
            for tensor, gradient, momentum in zip(tensors, gradients, speed, strict=True):
                if gradient is not None:  # a step of one size per number, whatever the slope, with some inertia
                    momentum.mul_(0.7).add_(gradient.nan_to_num(0.0, 0.0, 0.0).sign(), alpha=0.3)
                    tensor.add_(momentum, alpha=-0.2)
    if worst > 0:
        return [Failure(f"attack on a {goal}", f"layer {used.layer.name} on {list(used.env.dims)}", found)]
    return []


def _signs(fact: Jacobian, weights: Weights, values: bool) -> Tensor:
    result = torch.ones((STARTS, math.prod(weights.env.dims)), dtype=torch.float64)
    for atom in (fact.range if values else fact.diag).monomial:
        result = result * weights.diagonal(atom.param, ()).sign().detach()
    return result


def _slope(fact: Jacobian, field: Field, weights: Weights) -> tuple[Tensor, Tensor]:
    sign = _signs(fact, weights, False)
    values = field.diagonal[:, 0] * sign
    return torch.where(sign == 0, torch.nan, values), 1e-9 * field.steep[:, 0] + 1e-300


def _secant(fact: Jacobian, field: Field, weights: Weights, step: Tensor, place: int) -> tuple[Tensor, Tensor]:
    sign = _signs(fact, weights, False)[:, place : place + 1]
    taken = torch.where(step.abs() < 1e-6, 1e-6, step)
    change = (field.value[:, 1] - field.value[:, 0])[:, place : place + 1]
    error = (field.error[:, 1] + field.error[:, 0])[:, place : place + 1]
    values = change / taken * sign
    good = (sign != 0) & (step.abs() >= 1e-6)
    return torch.where(good, values, torch.nan), 4 * error / taken.abs() + 1e-7 * values.abs() + 1e-300


def _value(fact: Jacobian, field: Field, weights: Weights) -> tuple[Tensor, Tensor]:
    sign = _signs(fact, weights, True)
    values = field.value[:, 0] * sign
    return torch.where(sign == 0, torch.nan, values), 4 * field.error[:, 0] + 1e-12 * values.abs() + 1e-300
