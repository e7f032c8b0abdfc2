"""Training with Lightning 2: the package `lightning`, or `pytorch_lightning` where that is the one installed.

Who has both and uses the Trainer of `pytorch_lightning` imports mintdsl.interop.pytorch_lightning instead.
"""

from __future__ import annotations

from mintdsl.interop.training import TrainingSteps

try:
    from lightning.pytorch import LightningModule
except ModuleNotFoundError as missing:
    if (missing.name or "").split(".")[0] != "lightning":
        raise  # lightning is there, and something that it needs is not
    from pytorch_lightning import LightningModule


class Training(TrainingSteps, LightningModule):
    __doc__ = TrainingSteps.__doc__
