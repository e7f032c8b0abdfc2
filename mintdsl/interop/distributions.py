"""Generated modules in torch.distributions (and so in Pyro, whose transforms and distributions are these).

A flow with a prior has `transform` and `distribution` of its own. Here are the same for layers and for flows without
a prior, and the density of integers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from mintdsl.interop.bijection import (
    Bijective,
    bijective,
    broadcast,
    dense,
    lead_of,
    log_prob_of,
    reals_of,
    to_data,
    to_latent,
)
from mintdsl.runtime.flow import FlowTransform
from mintdsl.runtime.steps import quantize

Sizes = torch.Size | list[int] | tuple[int, ...]


class Called:
    """A module as FlowTransform sees it: every call with its checks."""

    def __init__(self, module: Bijective, ignore_context: bool) -> None:
        self.module, self.ignore_context = module, ignore_context
        self.event_shape, self.latent_shape = module.event_shape, module.latent_shape

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z and log |det dz/dx|."""
        return to_latent(self.module, x, context, ignore_context=self.ignore_context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x and log |det dx/dz|."""
        return to_data(self.module, z, context, ignore_context=self.ignore_context)


def transform(module: nn.Module, context: Tensor | None = None, *, ignore_context: bool = False) -> FlowTransform:
    """A generated layer or flow as a torch.distributions.Transform from data to latent.

    x [*lead, *event_shape] to z [*lead, *latent_shape]; log_abs_det_jacobian(x, z) is log |det dz/dx| [*lead]; `.inv`
    is what TransformedDistribution takes. The leading dimensions of x and context [*, *context_shape] are broadcast.
    InteropError for a module without log-det, and where a context is missing, not wanted or of another shape;
    ignore_context=True passes over one that is not wanted.
    """
    return FlowTransform(Called(bijective(module), ignore_context), context)


class FlowDistribution(Distribution):
    """The density of what `log_prob` takes, integers where the flow starts with `dequantize`.

    Batch shape: that of context [*batch, *context_shape], or (). log_prob [*sample, *batch] is the model's own, in
    nats; samples are [*sample, *batch, *event_shape], int64 where they are integers. rsample has gradients and raises
    RuntimeError for integers. Arguments are tested by the model, not by torch.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(
        self, model: nn.Module, context: Tensor | None = None, batch_shape: tuple[int, ...] | None = None
    ) -> None:
        self.model, self.context = dense(model), context
        lead: tuple[int, ...] = ()
        if context is not None and self.model.context_shape is not None:
            lead = lead_of(context, self.model.context_shape, "context", type(model).__name__)
        batch = torch.Size(lead if batch_shape is None else batch_shape)
        super().__init__(batch, torch.Size(self.model.event_shape), validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether rsample works: the data are reals."""
        return not self.model.levels

    @property
    def support(self) -> constraints.Constraint:
        """Integers from 0 to levels - 1, or reals."""
        levels = self.model.levels
        one = constraints.integer_interval(0, levels - 1) if levels else constraints.real  # type: ignore[no-untyped-call]
        return constraints.independent(one, len(self.event_shape))  # type: ignore[no-untyped-call]

    def expand(self, batch_shape: tuple[int, ...], _instance: object = None) -> FlowDistribution:  # type: ignore[override]
        """The same density for each place of a larger batch."""
        return FlowDistribution(self.model, self.context, tuple(batch_shape))  # type: ignore[arg-type]

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value) [*lead] in nats."""
        name = type(self.model).__name__
        lead = lead_of(value, tuple(self.event_shape), "value", name)
        both = broadcast(lead, tuple(self.batch_shape), f"{name}: the leading dimensions of value and the batch shape")
        return log_prob_of(self.model, value.expand(*both, *self.event_shape), self.context)

    def sample(self, sample_shape: Sizes = ()) -> Tensor:
        """[*sample_shape, *batch_shape, *event_shape], without gradients."""
        with torch.no_grad():
            x = reals_of(self.model, (*sample_shape, *self.batch_shape), self.context)
            return quantize(x, self.model.levels) if self.model.levels else x

    def rsample(self, sample_shape: Sizes = ()) -> Tensor:
        """[*sample_shape, *batch_shape, *event_shape], with gradients to the parameters and the context."""
        if self.model.levels:
            raise RuntimeError("rsample: integers have no gradients; use inverse(noise) for values before quantisation")
        return reals_of(self.model, (*sample_shape, *self.batch_shape), self.context)

    def rsample_and_log_prob(self, sample_shape: Sizes = ()) -> tuple[Tensor, Tensor]:
        """rsample, and log_prob of exactly these samples."""
        x = self.rsample(sample_shape)
        return x, self.log_prob(x)
