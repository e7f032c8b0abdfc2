"""Generated modules in normflows (1.7.2 or newer)."""

from __future__ import annotations

from normflows import ConditionalNormalizingFlow
from normflows.distributions import BaseDistribution
from normflows.flows import Flow
from torch import Tensor, nn

from mintdsl.interop.bijection import Dense, bijective, dense, log_prob_of, reals_of, to_data, to_latent
from mintdsl.runtime.flow import latent_noise
from mintdsl.runtime.steps import quantize


class Bijection(Flow):
    """A generated layer or flow as a flow of normflows, for NormalizingFlow and ConditionalNormalizingFlow.

    forward is latent to data, normflows' direction and the opposite of the module's: z [B, *latent_shape] to x
    [B, *event_shape]; inverse goes from data to latent. Both return (value, log_det [B]), the log |det| of the
    direction called. context [B, *context_shape]. A module without `given` refuses a context, unless
    ignore_context=True says that it is meant for the others.
    InteropError for a module without log-det, and for a context that does not fit.
    """

    def __init__(self, module: nn.Module, *, ignore_context: bool = False) -> None:
        super().__init__()
        self.module, self.ignore_context = bijective(module), ignore_context

    def forward(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Latent to data, and log |det dx/dz| [B]."""
        return to_data(self.module, z, context, ignore_context=self.ignore_context)

    def inverse(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Data to latent, and log |det dz/dx| [B]."""
        return to_latent(self.module, x, context, ignore_context=self.ignore_context)


class Prior(BaseDistribution):
    """The prior of a generated flow, which the flow holds: latents [B, *latent_shape]."""

    def __init__(self, model: Dense) -> None:
        super().__init__()
        self.held = (model,)  # in a tuple, so that its parameters stand once in the state dict

    def forward(self, num_samples: int = 1, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Draws [n, *latent_shape] and their log-density [n] in nats."""
        z = latent_noise(self.held[0], num_samples)
        return z, self.log_prob(z)

    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(z) [n] in nats."""
        return self.held[0].prior.log_prob(z)


class Density(ConditionalNormalizingFlow):
    """A generated flow with its prior as a ConditionalNormalizingFlow (and so a NormalizingFlow).

    log_prob(x [B, *event_shape]) is the model's own, in nats, of integers where the flow starts with `dequantize`.
    sample(n) gives (x [n, *event_shape], log q [n]); integers are int64. With a context, of one row or n, sample n has
    row n. forward, inverse and their log-dets take the reals that the bijection sees. What normflows itself
    accumulates in float32 whatever the model's dtype (forward_kld and the two with log-det) has the model's here.
    InteropError for a flow without prior or log-det, and for a context that does not fit.
    """

    def __init__(self, model: nn.Module, p: BaseDistribution | None = None) -> None:
        super().__init__(Prior(dense(model)), [Bijection(model)], p)

    @property
    def model(self) -> nn.Module:
        """The generated flow."""
        return self.flows[0].module  # type: ignore[no-any-return]

    def forward_and_log_det(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Latent to data, and log |det dx/dz| [B]."""
        return to_data(dense(self.model), z, context)

    def inverse_and_log_det(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Data to latent, and log |det dz/dx| [B]."""
        return to_latent(dense(self.model), x, context)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """log p(x) [B] in nats."""
        return log_prob_of(dense(self.model), x, context)

    def forward_kld(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """-log p(x), the mean of the batch, in nats: the loss of maximum likelihood."""
        return -self.log_prob(x, context).mean()

    def sample(self, num_samples: int = 1, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Samples [n, *event_shape], and log_prob of exactly these [n]."""
        model = dense(self.model)
        x = reals_of(model, (num_samples,), context)
        x = quantize(x, model.levels) if model.levels else x
        return x, self.log_prob(x, context)
