"""Training a compiled flow on images, measuring it, and pictures of what it does."""

from __future__ import annotations

from mintdsl.train.loop import FlowModel, History, NonFiniteLoss, Record, evaluate, fit, silent
from mintdsl.train.pictures import curve, picture
from mintdsl.train.settings import SettingsError, TrainSettings

__all__ = [
    "FlowModel",
    "History",
    "NonFiniteLoss",
    "Record",
    "SettingsError",
    "TrainSettings",
    "curve",
    "evaluate",
    "fit",
    "picture",
    "silent",
]
