"""What every generated flow shares: density, samples, traces, torch.distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Transform, TransformedDistribution, constraints
from torch.utils.hooks import RemovableHandle

from mintdsl.runtime.layer import narrowed_by_autocast
from mintdsl.runtime.protocols import FlowLike, MapLike
from mintdsl.runtime.statistics import frozen_statistics
from mintdsl.runtime.steps import dequantize, quantize


def no_context(context: Tensor | None, who: str) -> None:
    """A flow without `given` takes no context."""
    if context is not None:
        raise ValueError(f"{who} takes no context: its spec declares none with `given`")


def numbers_of(model: FlowLike) -> Tensor:
    """A tensor of the dtype and on the device in which the model computes: a parameter, a buffer, or else a new 0."""
    for parameter in model.parameters():
        return parameter
    for buffer in model.buffers():
        if buffer.is_floating_point():
            return buffer
    return torch.zeros(())


def flow_log_prob(model: FlowLike, x: Tensor, context: Tensor | None) -> Tensor:
    """log p(x) [*lead]. Integers are dequantised with one draw of noise: then it is a lower bound of log P(x)."""
    for module in model.modules():
        if hasattr(module, "statistics"):
            frozen_statistics(module)  # type: ignore[arg-type]
    offset = 0.0
    if model.levels:
        check_levels(x, model.levels)
        x = dequantize(x, model.levels, numbers_of(model).dtype)
        offset = math.prod(model.event_shape) * math.log(model.levels)
    z, log_det = model.forward(x, context)
    return model.prior.log_prob(z) + log_det - offset


def check_levels(x: Tensor, levels: int) -> None:
    """Integer data must lie in 0..levels-1 (only tested where that costs no wait for a device)."""
    if x.dtype == torch.uint8 and levels >= 256 or x.device.type != "cpu" or torch.compiler.is_compiling():
        return
    if x.numel() and not bool(((x >= 0) & (x < levels)).all()):
        raise ValueError(f"x must hold integers from 0 to {levels - 1}")


def flow_bits_per_dim(model: FlowLike, x: Tensor, context: Tensor | None) -> Tensor:
    """-log2 p(x) per dimension [*lead]."""
    return -flow_log_prob(model, x, context) / (math.prod(model.event_shape) * math.log(2.0))


def latent_noise(model: FlowLike, shape: tuple[int, ...] | int) -> Tensor:
    """A draw of the prior, [*shape, *latent_shape]."""
    lead = (shape,) if isinstance(shape, int) else tuple(shape)
    return model.prior.draw(lead, numbers_of(model))


def noise_for(model: FlowLike, shape: tuple[int, ...] | int, context: Tensor | None) -> Tensor:
    """A draw of the prior for each of `shape` and each context: [*shape, *lead, *latent_shape]."""
    lead = (shape,) if isinstance(shape, int) else tuple(shape)
    return latent_noise(model, (*lead, *lead_of_context(model, context)))


def lead_of_context(model: FlowLike, context: Tensor | None) -> tuple[int, ...]:
    """The leading dimensions of a context [*lead, *context_shape]; () where the flow has none, or it does not fit."""
    rank = len(model.context_shape or ())
    if context is None or model.context_shape is None or context.dim() < rank:
        return ()
    return tuple(context.shape[: context.dim() - rank])


def must_be_onto(model: FlowLike) -> None:
    """Samples need an inverse everywhere; raises RuntimeError with the proof's reason where there is none."""
    if model.not_onto:
        raise RuntimeError(f"{type(model).__name__} is injective, but not onto, so it cannot sample: {model.not_onto}")


@torch.no_grad()
def flow_sample(model: FlowLike, shape: tuple[int, ...] | int, context: Tensor | None) -> Tensor:
    """Samples [*shape, *lead, *event_shape], lead the leading dimensions of a context [*lead, *context_shape].

    Integers (int64) where the flow starts with `dequantize`, else reals.
    """
    must_be_onto(model)
    x, _ = model.inverse(noise_for(model, shape, context), context)
    return quantize(x, model.levels) if model.levels else x


def flow_rsample(model: FlowLike, shape: tuple[int, ...] | int, context: Tensor | None) -> Tensor:
    """Samples with gradients to the parameters. RuntimeError where the data are integers."""
    must_be_onto(model)
    if model.levels:
        raise RuntimeError("rsample: integers have no gradients; use inverse(noise) for values before quantisation")
    return model.inverse(noise_for(model, shape, context), context)[0]


def flow_sample_and_log_prob(
    model: FlowLike, shape: tuple[int, ...] | int, context: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Samples and log_prob of exactly these samples."""
    x = flow_sample(model, shape, context)
    return x, flow_log_prob(model, x, context)


def trace_flow(model: nn.Module, x: Tensor, context: Tensor | None = None) -> list[tuple[str, Tensor, Tensor | None]]:
    """(path, output, log_det) of every layer and inner flow, in the order of evaluation; None where there is none."""
    found: list[tuple[str, Tensor, Tensor | None]] = []
    watched = [(p, m) for p, m in model.named_modules() if p and hasattr(m, "event_shape") and hasattr(m, "inverse")]
    hooks = [watch(module, path, found) for path, module in watched]  # nets are no steps
    try:
        model(x, context)
    finally:
        for hook, (_, module) in zip(hooks, watched, strict=True):
            hook.remove()
            del module.inverse
    return found


def watch(module: nn.Module, path: str, found: list[tuple[str, Tensor, Tensor | None]]) -> RemovableHandle:
    """Add to `found` what a step gives: a layer in its inverse direction is called by its method `inverse`."""
    solve = getattr(module, "inverse")  # noqa: B009

    def note(out: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
        found.append((path, *out))
        return out

    def solved(*args: Tensor, **options: object) -> tuple[Tensor, Tensor | None]:
        return note(solve(*args, **options))

    setattr(module, "inverse", solved)  # noqa: B010
    return module.register_forward_hook(lambda _module, _args, out: note(out))


def name_paths(model: nn.Module) -> None:
    """Tell every layer its path, for messages."""
    for path, module in model.named_modules():
        if hasattr(module, "path"):
            module.path = path


class FlowTransform(Transform):
    """The bijection data -> latent as a torch.distributions transform.

    The last (x, z, log_det) is kept until it is asked for once, so that TransformedDistribution runs the model once.
    A value is never taken from there, since the weights may have changed meanwhile.
    """

    bijective = True

    def __init__(self, model: MapLike, context: Tensor | None = None) -> None:
        super().__init__()
        self.model, self.context = model, context
        self.seen: tuple[Tensor, Tensor, Tensor, bool] | None = None
        self.domain = constraints.independent(constraints.real, len(model.event_shape))  # type: ignore[no-untyped-call]
        self.codomain = constraints.independent(constraints.real, len(model.latent_shape))  # type: ignore[no-untyped-call]

    def _call(self, x: Tensor) -> Tensor:
        z, log_det = self.model.forward(x, self.context)
        self.seen = (x, z, log_det, torch.is_grad_enabled())
        return z

    def _inverse(self, z: Tensor) -> Tensor:
        x, log_det = self.model.inverse(z, self.context)
        self.seen = (x, z, -log_det, torch.is_grad_enabled())
        return x

    def log_abs_det_jacobian(self, x: Tensor, z: Tensor) -> Tensor:
        """log |det dz/dx| [*lead]."""
        seen, self.seen = self.seen, None
        if seen is not None and seen[0] is x and seen[1] is z and seen[3] == torch.is_grad_enabled():
            return seen[2]
        return self.model.forward(x, self.context)[1]

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det dz/dx|."""
        return self.model.forward(x, self.context)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """Itself: a cache of torch does not see that weights change."""
        return self

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of z for a shape of x."""
        return torch.Size((*shape[: len(shape) - len(self.model.event_shape)], *self.model.latent_shape))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        """Shape of x for a shape of z."""
        return torch.Size((*shape[: len(shape) - len(self.model.latent_shape)], *self.model.event_shape))


def flow_distribution(model: FlowLike, context: Tensor | None) -> Distribution:
    """The density of the reals that the bijection sees (after dequantisation) as a torch distribution."""
    must_be_onto(model)
    base = model.prior.distribution(numbers_of(model))
    lead = lead_of_context(model, context)
    base = base.expand(torch.Size(lead)) if lead else base
    return TransformedDistribution(base, [FlowTransform(model, context).inv])


def zero_log_det(x: Tensor) -> Tensor:
    """Zeros [B], in float32 where autocast makes x narrower."""
    return x.new_zeros(x.shape[0], dtype=torch.float32 if narrowed_by_autocast(x) else x.dtype)
