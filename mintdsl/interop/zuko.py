"""Generated modules in zuko (1.4 or newer).

Importing zuko turns the validation of torch.distributions off in the whole process and adds `call_and_ladj` to its
transforms: that is zuko's doing, and importing this file does it too.
"""

from __future__ import annotations

from torch import Tensor, nn
from zuko.lazy import LazyDistribution, LazyTransform

from mintdsl.interop.bijection import bijective, dense
from mintdsl.interop.distributions import FlowDistribution, transform
from mintdsl.runtime.flow import FlowTransform


class Bijection(LazyTransform):
    """A generated layer or flow as a lazy transform, for zuko.flows.Flow, alone or between zuko's own.

    `Bijection(module)(c)` is a transform from data to base, zuko's direction: x [*, *event_shape] to z
    [*, *latent_shape]; call_and_ladj(x) gives log |det dz/dx| [*]. The context c [*, *context_shape] is broadcast with
    x. A module without `given` refuses a context, unless ignore_context=True says that it is meant for the others.
    InteropError for a module without log-det, and for a context that does not fit.
    """

    def __init__(self, module: nn.Module, *, ignore_context: bool = False) -> None:
        super().__init__()
        bijective(module)
        self.module, self.ignore_context = module, ignore_context

    def forward(self, c: Tensor | None = None) -> FlowTransform:
        """The transform, given a context."""
        return transform(self.module, c, ignore_context=self.ignore_context)


class Density(LazyDistribution):
    """A generated flow with its prior as a lazy distribution, in the place of a zuko.flows.Flow.

    `Density(model)(c).log_prob(x)` is the model's own log_prob in nats, of integers where the flow starts with
    `dequantize`; samples are [*shape, *batch of c, *event_shape], zuko's and torch's order.
    InteropError for a flow without prior or log-det, and for a context that does not fit.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        dense(model)
        self.model = model

    def forward(self, c: Tensor | None = None) -> FlowDistribution:
        """The distribution, given a context."""
        return FlowDistribution(self.model, c)
