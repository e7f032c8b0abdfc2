"""Training a generated flow by maximum likelihood, as a LightningModule has it; either of Lightning's packages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal, cast

import torch
from torch import Tensor, nn

from mintdsl.interop.bijection import InteropError, dense, log_prob_of

Batch = Tensor | Sequence[Tensor]
Unit = Literal["nats", "bits_per_dim"]


class TrainingSteps:
    """The steps of a LightningModule that trains `model`, a generated flow with a prior.

    A batch is x [B, *event_shape], or a sequence that starts with it; its second item is the context
    [B, *context_shape] of a model with `given`, and of other models what follows x (labels) is not looked at. x holds
    integers where the flow starts with `dequantize`.

    Logged, means over the batch: `train_nats`, -log p(x), and `train_bits_per_dim`, the same by D log 2 with D the
    number of elements of x; `val_` and `test_` likewise. `loss` says which of the two is minimised; the optimum is the
    same, the size of the gradients is not. `optimizer` makes an optimiser, or what else configure_optimizers may
    return, from the parameters: Adam with lr 1e-3 where none is given.
    InteropError for a flow without prior or log-det, and for a batch that does not fit.
    """

    log: Callable[..., None]
    parameters: Callable[[], Iterable[nn.Parameter]]

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], object] | None = None,
        loss: Unit = "nats",
    ) -> None:
        super().__init__()
        if loss not in ("nats", "bits_per_dim"):
            raise InteropError(f"loss is nats or bits_per_dim, not {loss}")
        dense(model)
        self.model, self.loss = model, loss
        self.optimizer = optimizer or partial(torch.optim.Adam, lr=1e-3)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z and log |det dz/dx| of the reals x."""
        return cast(tuple[Tensor, Tensor], self.model(x, context))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss, a scalar."""
        return self.step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss on held-out data, a scalar."""
        return self.step(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss on test data, a scalar."""
        return self.step(batch, "test")

    def configure_optimizers(self) -> object:
        """What `optimizer` makes of the parameters."""
        return self.optimizer(self.parameters())

    def step(self, batch: Batch, stage: str) -> Tensor:
        """Score a batch, log it in both units, and return the mean in the unit of the loss."""
        model = dense(self.model)
        items = [batch] if isinstance(batch, Tensor) else list(batch)
        if model.context_shape is not None and len(items) < 2:
            raise InteropError(f"{type(model).__name__} needs a context: batches must be pairs (x, context)")
        context = None if model.context_shape is None else items[1]
        nats = -log_prob_of(model, items[0], context).mean()
        found = {"nats": nats, "bits_per_dim": nats / (math.prod(model.event_shape) * math.log(2.0))}
        for unit, value in found.items():
            self.log(
                f"{stage}_{unit}",
                value.detach(),
                prog_bar=unit == "bits_per_dim",
                batch_size=items[0].shape[0],
                sync_dist=stage != "train",
            )
        return found[self.loss]
