"""What surrounds the bijection: initialisation from data, and the density of the prior."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import cast

import torch
from torch import Tensor, nn

from mintdsl.core import interpret, ir
from mintdsl.core.interval import REAL

from .draws import inputs
from .subject import Subject, layers_of

Compare = Callable[[str, str, Tensor, Tensor], None]
BATCH = 16


def ready(
    subject: Subject, model: nn.Module, rng: Random, made: torch.Generator, compare: Compare, fail: Callable[..., None]
) -> None:
    """Neutral values, or those of a batch: then what data set leaves mean 0 and deviation 1. A refusal changes nothing.

    Afterwards the model waits for nothing.
    """
    waiting = [m for m in model.modules() if hasattr(m, "pending")]
    if not waiting:
        return
    if rng.random() < 0.6:
        _initialised(subject, model, waiting, made, compare, fail)
    with torch.no_grad():
        for module in waiting:
            cast("Tensor", module.pending).fill_(False)


def _initialised(
    subject: Subject,
    model: nn.Module,
    waiting: list[nn.Module],
    made: torch.Generator,
    compare: Compare,
    fail: Callable[..., None],
) -> None:
    levels = cast("int", getattr(model, "levels", 0))
    bijection = subject.proof.bijection
    domain = REAL if bijection is None else bijection.domain
    size = math.prod(subject.env.dims)
    batch = inputs(BATCH, size, made, domain).x[:, 0].reshape(BATCH, *subject.env.dims)
    if levels:
        batch = torch.randint(0, levels, batch.shape, generator=made)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    seen: dict[int, tuple[Tensor, Tensor]] = {}

    def note(module: nn.Module, args: tuple[Tensor, ...], out: tuple[Tensor, Tensor]) -> None:
        seen[id(module)] = (args[0], out[0])

    hooks = [m.register_forward_hook(note) for m in waiting]
    try:
        cast("Callable[[Tensor], object]", model.initialize)(batch)
    except ValueError as error:
        if any(not torch.equal(v, before[k]) for k, v in model.state_dict().items()):
            fail("a refused batch", str(error), "the model has changed")
        return
    finally:
        for hook in hooks:
            hook.remove()
    where = {id(m): "standardize" for m in waiting}
    per: dict[int, tuple[str, str]] = {id(m): ("channel", "channel") for m in waiting}
    for used, module in zip(subject.uses, layers_of(model), strict=True):
        asked = [p for p in used.layer.params if p.init.name == "from_data"]
        found = {p.kind.kind: p.kind.per for p in asked if isinstance(p.kind, ir.Elementwise)}
        where[id(module)] = f"layer {used.layer.name}"
        per[id(module)] = (found.get("bias", ""), found.get("scale", ""))
    for module in waiting:
        x, y = seen[id(module)]
        bias, scale = per[id(module)]
        # what rounding leaves: of numbers as large as those that arrive, stretched by the scale
        spread = x.std(_axes(x, scale or "channel"), correction=0).amin() if scale else torch.ones(())
        allowed = 1e-11 * (1 + x.abs().amax() / spread)
        if bias:
            compare("mean 0", where[id(module)], y.mean(_axes(y, bias)).abs(), allowed)
        if scale:
            off = (y.std(_axes(y, scale), correction=0) - 1).abs()
            compare("deviation 1", where[id(module)], off, allowed)


def _axes(x: Tensor, per: str) -> list[int]:
    if per == "element":
        return [0]
    return [axis for axis in range(x.dim()) if axis != (2 if x.dim() == 3 else 1)]


@torch.no_grad()
def density(subject: Subject, model: nn.Module, raw: dict[str, Tensor], x: Tensor, compare: Compare) -> None:
    """log p(x) is that of the prior, in plain floats, and the log-determinant."""
    if not hasattr(model, "log_prob") or getattr(model, "levels", 0):
        return
    z, log_det = model(x)
    plain = {k: v.flatten().tolist() for k, v in raw.items()}
    known = {"shape": subject.env.dims, "args": subject.args, "raw": plain, "given": subject.env.given}
    at = partial(interpret.log_prior, subject.core, subject.key, **known)
    rows = [at(v.flatten().tolist()) for v in z]
    mine = torch.tensor(rows, dtype=torch.float64)
    found = cast("Callable[[Tensor], Tensor]", model.log_prob)(x)
    allowed = torch.where(torch.isfinite(log_det), 1e-9 * (1 + mine.abs() + log_det.abs()), torch.inf)
    where = f"{subject.definition.name} on {list(subject.env.dims)}"
    compare("density", where, (found - log_det - mine).abs().nan_to_num(torch.inf), allowed)
