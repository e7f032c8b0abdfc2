"""What every adapter asks of a generated module, and how it calls one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from mintdsl.runtime.flow import latent_noise, must_be_onto
from mintdsl.runtime.protocols import PriorLike
from mintdsl.runtime.statistics import frozen_statistics


class InteropError(ValueError):
    """A module, a context or a shape that an adapter cannot pass on."""


class Bijective(Protocol):
    """A generated layer or flow that has a log-det."""

    event_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]
    context_shape: tuple[int, ...] | None

    def __call__(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


class Dense(Bijective, Protocol):
    """A generated flow with a prior."""

    levels: int
    not_onto: str

    @property
    def prior(self) -> PriorLike: ...
    def buffers(self) -> Iterator[Tensor]: ...
    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor: ...


def bijective(module: nn.Module) -> Bijective:
    """The module itself. InteropError unless it is a generated layer or flow that has a log-det."""
    who = type(module).__name__
    for name in ("event_shape", "latent_shape", "inverse"):
        if not hasattr(module, name):
            raise InteropError(f"{who} is no generated layer or flow: it has no {name}")
    found = cast(Bijective, module)
    before, after = math.prod(found.event_shape), math.prod(found.latent_shape)
    if before != after:
        raise InteropError(f"{who} has no log-det: it raises the dimension from {before} to {after} (`pad`)")
    return found


def dense(model: nn.Module) -> Dense:
    """The flow itself. InteropError unless it has a density."""
    bijective(model)
    if not hasattr(model, "log_prob") or not hasattr(model, "levels"):
        raise InteropError(
            f"{type(model).__name__} has no density: end the flow with `prior normal`, "
            f"or use Bijection and a base distribution of the library"
        )
    return cast(Dense, model)


def to_latent(
    module: Bijective, x: Tensor, context: Tensor | None = None, *, ignore_context: bool = False
) -> tuple[Tensor, Tensor]:
    """z [*lead, *latent_shape] and log |det dz/dx| [*lead] of x [*lead, *event_shape].

    The leading dimensions of x and context [*, *context_shape] are broadcast. InteropError where they do not fit;
    RuntimeError in training mode where the proof holds for frozen statistics only, as `log_prob` has it.
    """
    x, context = together(module, x, module.event_shape, "x", context, ignore_context)
    for part in module.modules():
        if hasattr(part, "statistics"):
            frozen_statistics(part)  # type: ignore[arg-type]
    return module(x, context)


def to_data(
    module: Bijective, z: Tensor, context: Tensor | None = None, *, ignore_context: bool = False
) -> tuple[Tensor, Tensor]:
    """x [*lead, *event_shape] and log |det dx/dz| [*lead] of z [*lead, *latent_shape]; InversionError, InteropError."""
    z, context = together(module, z, module.latent_shape, "z", context, ignore_context)
    return module.inverse(z, context)


def log_prob_of(model: Dense, x: Tensor, context: Tensor | None = None) -> Tensor:
    """The model's own log_prob [*lead] in nats, of x and context with leading dimensions that are broadcast."""
    return model.log_prob(*together(model, x, model.event_shape, "x", context, False))


def reals_of(model: Dense, lead: tuple[int, ...], context: Tensor | None = None) -> Tensor:
    """Samples [*lead, *event_shape], not yet made integers; RuntimeError where the flow is not onto."""
    must_be_onto(model)
    return to_data(model, latent_noise(model, lead), context)[0]


def together(
    module: Bijective, x: Tensor, shape: tuple[int, ...], who: str, context: Tensor | None, ignore_context: bool
) -> tuple[Tensor, Tensor | None]:
    """x and context with the same leading dimensions."""
    wanted, name = module.context_shape, type(module).__name__
    lead = lead_of(x, shape, who, name)
    if wanted is None:
        if context is not None and not ignore_context:
            raise InteropError(
                f"{name} takes no context: its spec declares none with `given` "
                f"(ignore_context=True is for a stack whose other transforms take one)"
            )
        return x, None
    if context is None:
        raise InteropError(f"{name} needs a context that ends in {list(wanted)}")
    other = lead_of(context, wanted, "context", name)
    if lead == other:
        return x, context
    both = broadcast(lead, other, f"{name}: the leading dimensions of {who} and context")
    return x.expand(*both, *shape), context.expand(*both, *wanted)


def broadcast(one: tuple[int, ...], other: tuple[int, ...], who: str) -> tuple[int, ...]:
    """The shape of both; InteropError where they do not fit each other."""
    try:
        return tuple(torch.broadcast_shapes(one, other))  # type: ignore[no-untyped-call]
    except RuntimeError:
        raise InteropError(f"{who}, {list(one)} and {list(other)}, do not fit each other") from None


def lead_of(x: Tensor, shape: tuple[int, ...], who: str, name: str) -> tuple[int, ...]:
    """The leading dimensions of x [*lead, *shape]."""
    rank = x.dim() - len(shape)
    if rank < 0 or tuple(x.shape[rank:]) != tuple(shape):
        raise InteropError(f"{name}: {who} has shape {list(x.shape)}, but must end in {list(shape)}")
    return tuple(x.shape[:rank])
