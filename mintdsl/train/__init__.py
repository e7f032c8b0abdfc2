"""Training a compiled flow on images, measuring it, and pictures of what it does."""

from __future__ import annotations

from mintdsl.train.loop import History, NonFiniteLoss, Record, accuracy, evaluate, fit, silent
from mintdsl.train.objectives import ClassifierModel, FlowModel, log_det_error
from mintdsl.train.pictures import curve, picture
from mintdsl.train.settings import SettingsError, TrainSettings

__all__ = [
    "ClassifierModel",
    "FlowModel",
    "History",
    "NonFiniteLoss",
    "Record",
    "SettingsError",
    "TrainSettings",
    "accuracy",
    "curve",
    "evaluate",
    "fit",
    "log_det_error",
    "picture",
    "silent",
]
