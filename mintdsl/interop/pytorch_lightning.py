"""Training with the package `pytorch_lightning` 2, whose Trainer takes no module of the package `lightning`."""

from __future__ import annotations

from pytorch_lightning import LightningModule

from mintdsl.interop.training import TrainingSteps


class Training(TrainingSteps, LightningModule):
    __doc__ = TrainingSteps.__doc__
