"""Generated modules in nflows (0.14 or newer)."""

from __future__ import annotations

import torch
from nflows.distributions.base import Distribution
from nflows.flows import Flow
from nflows.transforms import Transform
from torch import Tensor, nn

from mintdsl.interop.bijection import Dense, bijective, dense, log_prob_of, reals_of, to_data, to_latent
from mintdsl.runtime.flow import latent_noise
from mintdsl.runtime.steps import quantize


class Bijection(Transform):
    """A generated layer or flow as a transform, for nflows.flows.Flow and CompositeTransform.

    forward is data to noise, nflows' direction: inputs [B, *event_shape] to outputs [B, *latent_shape]; inverse goes
    back. Both return (outputs, logabsdet [B]), the log |det| of the direction called. context [B, *context_shape].
    A module without `given` refuses a context, unless ignore_context=True says that it is meant for the others.
    InteropError for a module without log-det, and for a context that does not fit.
    """

    def __init__(self, module: nn.Module, *, ignore_context: bool = False) -> None:
        super().__init__()
        self.module, self.ignore_context = bijective(module), ignore_context

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Data to noise, and log |det d noise / d data| [B]."""
        return to_latent(self.module, inputs, context, ignore_context=self.ignore_context)

    def inverse(self, inputs: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Noise to data, and log |det d data / d noise| [B]."""
        return to_data(self.module, inputs, context, ignore_context=self.ignore_context)


class Prior(Distribution):
    """The prior of a generated flow, which the flow holds: latents [B, *latent_shape]."""

    def __init__(self, model: Dense) -> None:
        super().__init__()
        self.held = (model,)  # in a tuple, so that its parameters stand once in the state dict

    def _log_prob(self, inputs: Tensor, context: Tensor | None) -> Tensor:
        return self.held[0].prior.log_prob(inputs)

    def _sample(self, num_samples: int, context: Tensor | None) -> Tensor:
        if context is None:
            return latent_noise(self.held[0], num_samples)
        return latent_noise(self.held[0], (context.shape[0], num_samples))


class Density(Flow):
    """A generated flow with its prior as a nflows.flows.Flow.

    log_prob(inputs [B, *event_shape]) is the model's own, in nats, of integers where the flow starts with
    `dequantize`. sample(n) is [n, *event_shape], and [contexts, n, *event_shape] where a context is given, nflows'
    order; integers are int64. transform_to_noise takes the reals that the bijection sees. As nflows' own, samples
    of reals keep gradients to the parameters.
    InteropError for a flow without prior or log-det, and for a context that does not fit.
    """

    def __init__(self, model: nn.Module, embedding_net: nn.Module | None = None) -> None:
        super().__init__(Bijection(model), Prior(dense(model)), embedding_net)

    @property
    def model(self) -> nn.Module:
        """The generated flow."""
        return self._transform.module  # type: ignore[no-any-return]

    def _log_prob(self, inputs: Tensor, context: Tensor | None) -> Tensor:
        return log_prob_of(dense(self.model), inputs, self._embedding_net(context))

    def _sample(self, num_samples: int, context: Tensor | None) -> Tensor:
        model, embedded = dense(self.model), self._embedding_net(context)
        if embedded is None:
            x = reals_of(model, (num_samples,))
        else:
            # [contexts, 1, ...] is broadcast to one row a sample
            x = reals_of(model, (embedded.shape[0], num_samples), embedded.unsqueeze(1))
        return quantize(x, model.levels) if model.levels else x

    def sample_and_log_prob(self, num_samples: int, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Samples, shaped as `sample` has them, and log_prob of exactly these."""
        x = self.sample(num_samples, context)
        embedded = self._embedding_net(None if context is None else torch.as_tensor(context))
        return x, log_prob_of(dense(self.model), x, None if embedded is None else embedded.unsqueeze(1))
