"""What training minimises: the bits of images, of images given their class, or a classifier's cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn


class FlowModel(Protocol):
    """What training asks of a model: an `nn.Module` that scores integer images [B, C, H, W].

    Both scores have shape [B] and draw their dequantisation noise from PyTorch's global generator. With `given` they
    take the context [B, *context_shape], too.
    """

    training: bool

    @property
    def log_prob(self) -> Callable[..., Tensor]:
        """Log-density of each image, in nats."""

    @property
    def bits_per_dim(self) -> Callable[..., Tensor]:
        """Bits per dimension of each image."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The parameters, as `nn.Module.parameters`."""

    def train(self, mode: bool = True) -> object:
        """Set training or evaluation mode, as `nn.Module.train`."""


class ClassifierModel(Protocol):
    """A flow that ends in `classify`: an `nn.Module` whose logits are [B, classes], of reals [B, C, H, W] in [0, 1]."""

    training: bool

    @property
    def logits(self) -> Callable[..., Tensor]:
        """The score of each class."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The parameters, as `nn.Module.parameters`."""

    def train(self, mode: bool = True) -> object:
        """Set training or evaluation mode, as `nn.Module.train`."""


Model = FlowModel | ClassifierModel


@dataclass(frozen=True, slots=True)
class Objective:
    """`loss` gives a number [B] to minimise, in `unit`, of images (uint8 [B, C, H, W]) and their labels (int64 [B]).

    `inputs` is what the model takes: the images as it wants them, and the context or None.
    """

    unit: str
    inputs: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
    loss: Callable[[Tensor, Tensor | None], Tensor]


def objective_of(model: Model, labels: Tensor | None, images: int) -> Objective:
    """The objective of a model, by what it has.

    `logits`: cross-entropy in nats, of the images as reals in [0, 1]. A `context_shape` [M]: bits per dimension given
    the class, as one of M numbers that is 1. Else bits per dimension, and labels are not looked at.
    ValueError where labels are needed and missing, or are not int64 [images], or name a class that there is not.
    """
    kind = type(model).__name__
    classifier = cast(ClassifierModel, model) if callable(getattr(model, "logits", None)) else None
    shape = cast(tuple[int, ...] | None, getattr(model, "context_shape", None))
    if shape is not None and (classifier is not None or len(shape) != 1):
        raise ValueError(f"{kind} has a context of shape {list(shape)}; training gives the class, a Vec[classes].")
    if classifier is None and shape is None:
        flow = cast(FlowModel, model)
        return Objective("bits/dim", lambda x, _: (x, None), lambda x, _: flow.bits_per_dim(x))
    what = "is a classifier" if classifier is not None else f"has a context, Vec[{(shape or (0,))[0]}]"
    if labels is None:
        raise ValueError(f"{kind} {what}: training needs the labels of the images.")
    if labels.dtype != torch.int64 or labels.shape != (images,):
        raise ValueError(
            f"Labels must be an int64 tensor of shape [{images}], one of each image, "
            f"not {str(labels.dtype).removeprefix('torch.')} {list(labels.shape)}."
        )
    if int(labels.min()) < 0 or (shape is not None and int(labels.max()) >= shape[0]):
        wrong = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
        raise ValueError(f"Label {wrong} is no class of {kind}, which {what}.")
    if classifier is not None:
        return _classification(classifier)
    assert shape is not None
    return _conditional(cast(FlowModel, model), shape[0])


def _classification(model: ClassifierModel) -> Objective:
    def inputs(x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return x.to(next(model.parameters()).dtype) / 255, None

    def loss(x: Tensor, labels: Tensor | None) -> Tensor:
        assert labels is not None
        logits = model.logits(inputs(x, labels)[0])
        if int(labels.max()) >= logits.shape[-1]:
            raise ValueError(
                f"Label {int(labels.max())} is no class of {type(model).__name__}, which has "
                f"{logits.shape[-1]} of them."
            )
        return nn.functional.cross_entropy(logits, labels, reduction="none")

    return Objective("nats", inputs, loss)


def _conditional(model: FlowModel, classes: int) -> Objective:
    def inputs(x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        assert labels is not None
        return x, nn.functional.one_hot(labels, classes).to(next(model.parameters()).dtype)

    return Objective("bits/dim", inputs, lambda x, labels: model.bits_per_dim(*inputs(x, labels)))


def log_det_error(module: nn.Module) -> tuple[float, float] | None:
    """Bounds of the bias and of an image's standard deviation, in bits per dimension, that estimated log-dets make.

    Of all log-dets together; None where none is estimated.
    """
    certify = getattr(module, "certify", None)
    found = [one for one in certify() if hasattr(one, "bias")] if callable(certify) else []
    if not found:
        return None
    scale = math.log(2) * math.prod(cast(tuple[int, ...], module.event_shape))
    return sum(one.bias for one in found) / scale, math.hypot(*(one.deviation for one in found)) / scale
