"""Training a flow by maximum likelihood, or as a classifier, and measuring it on held-out images."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm  # type: ignore[import-untyped]

from mintdsl.train.objectives import ClassifierModel, Model, Objective, objective_of
from mintdsl.train.settings import TrainSettings


class NonFiniteLoss(ArithmeticError):
    """The loss, or its gradient, became infinite or NaN."""


class Record(NamedTuple):
    """One step of training: its number from 1, seconds since the start, its batch's mean loss."""

    step: int
    seconds: float
    loss: float


@dataclass(frozen=True, slots=True)
class History:
    """The course of a training run, one record a step; losses are in `unit`."""

    records: tuple[Record, ...]
    unit: str = "bits/dim"

    @property
    def last(self) -> Record:
        """The last step."""
        return self.records[-1]

    def smoothed(self, window: int = 50) -> tuple[Record, ...]:
        """The records with losses averaged over up to `window` steps back."""
        averaged = []
        total = 0.0
        for index, record in enumerate(self.records):
            total += record.loss
            if index >= window:
                total -= self.records[index - window].loss
            averaged.append(record._replace(loss=total / min(index + 1, window)))
        return tuple(averaged)


def silent(record: Record) -> None:
    """As the `progress` of `fit`: show nothing."""


def fit(
    model: Model,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    settings: TrainSettings,
    progress: Callable[[Record], None] | None = None,
) -> History:
    """Train `model` in place on `images` (uint8 [N, C, H, W]) until the budget of `settings` is used up.

    Minimises the mean bits per dimension, for a flow `given` a Vec those given the classes in `labels` (int64 [N]),
    each as a vector with one 1, and for a classifier the cross-entropy of the images as reals in [0, 1].
    Adam (AMSGrad, betas 0.9 and 0.999, eps 1e-4). The
    time budget is looked at before each step, so it is exceeded by less than one step; one step is
    always made. Batches go to the device of the model's parameters. `progress` is called after
    every step; None shows a bar on a terminal, `silent` nothing. A model that waits for data (it has
    `initialize`) is initialised first. The caller's random state and the model's mode are left as
    they were. Same seed, model, images and number of steps: same result on the same machine.

    Raises ValueError for images or labels of another type or shape, or that cannot initialise the model, or a
    model without trainable parameters, and NonFiniteLoss, which names the step; the parameters are
    then those before that step.
    """
    _check(images)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError("The model has no parameter to train.")
    objective = objective_of(model, labels, len(images))
    device = parameters[0].device
    optimiser = torch.optim.Adam(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.999), eps=1e-4, amsgrad=True, weight_decay=0.0
    )
    total_steps = _total_steps(settings, len(images))
    limit = math.inf if settings.grad_clip is None else settings.grad_clip
    records: list[Record] = []
    was_training = model.training
    with _seeded(settings.seed, device), _shown(settings, total_steps, progress, objective.unit) as show:
        model.train()
        try:
            _initialize(model, objective, images, labels, settings, device)
            start = time.perf_counter()
            for step, index in enumerate(_batches(len(images), settings), start=1):
                used = _used(settings, total_steps, step - 1, time.perf_counter() - start)
                if used >= 1 and step > 1:
                    break
                if settings.schedule == "cosine":
                    for group in optimiser.param_groups:
                        group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(used, 1.0)))
                optimiser.zero_grad(set_to_none=True)
                loss = objective.loss(*_chosen(images, labels, index, device)).mean()
                value = loss.item()
                _finite(value, objective.unit, step, settings)
                torch.autograd.backward(loss)
                norm = nn.utils.clip_grad_norm_(parameters, limit).item()
                _finite(norm, "the gradient's norm", step, settings)
                optimiser.step()
                records.append(Record(step, time.perf_counter() - start, value))
                show(records[-1])
        finally:
            model.train(was_training)
    return History(tuple(records), objective.unit)


def _initialize(
    model: Model,
    objective: Objective,
    images: Tensor,
    labels: Tensor | None,
    settings: TrainSettings,
    device: torch.device,
) -> None:
    """Set what a model takes from data and does not have yet, from at least 256 images where there are as many."""
    initialize: Callable[..., object] | None = getattr(model, "initialize", None)
    if initialize is not None:
        shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(settings.seed))
        chosen = _chosen(images, labels, shuffled[: max(256, settings.batch_size)], device)
        x, context = objective.inputs(*chosen)
        initialize(x) if context is None else initialize(x, context)


def _chosen(
    images: Tensor, labels: Tensor | None, index: Tensor | slice, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Some of the images and labels, on the device."""

    def some(values: Tensor) -> Tensor:
        return values[index.to(values.device) if isinstance(index, Tensor) else index].to(device)

    return some(images), None if labels is None else some(labels)


def evaluate(
    model: Model,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    seed: int = 0,
    draws: int = 1,
    batch_size: int = 256,
) -> float:
    """Mean of what `fit` minimises on `images` (uint8 [N, C, H, W]), over `draws` draws of the noise.

    Runs in evaluation mode without gradients. Deterministic for a seed and a batch size on the same
    machine; leaves the caller's random state and the model's mode as they were.

    Raises ValueError for images or labels of another type or shape, and NonFiniteLoss.
    """
    _check(images)
    if draws < 1 or batch_size < 1:
        raise ValueError("`draws` and `batch_size` must be at least 1.")
    objective = objective_of(model, labels, len(images))
    total = 0.0
    with _evaluating(model, seed) as device:
        for _ in range(draws):
            for start in range(0, len(images), batch_size):
                batch = _chosen(images, labels, slice(start, start + batch_size), device)
                total += objective.loss(*batch).double().sum().item()
    mean = total / (draws * len(images))
    if not math.isfinite(mean):
        raise NonFiniteLoss(f"The mean of the {len(images)} images is {mean} {objective.unit}.")
    return mean


def accuracy(model: ClassifierModel, images: Tensor, labels: Tensor, *, batch_size: int = 256) -> float:
    """The share of `images` (uint8 [N, C, H, W]) whose greatest logit is that of their label (int64 [N]).

    Raises ValueError as `evaluate`.
    """
    _check(images)
    objective = objective_of(model, labels, len(images))
    right = 0
    with _evaluating(model, 0) as device:
        for start in range(0, len(images), batch_size):
            x, target = _chosen(images, labels, slice(start, start + batch_size), device)
            found = model.logits(objective.inputs(x, target)[0]).argmax(-1)
            right += int(found.eq(labels[start : start + batch_size].to(device)).sum())
    return right / len(images)


@contextmanager
def _evaluating(model: Model, seed: int) -> Iterator[torch.device]:
    """Evaluation mode, no gradients, a random state of its own; gives the model's device."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    was_training = model.training
    with torch.no_grad(), _seeded(seed, device):
        model.train(False)
        try:
            yield device
        finally:
            model.train(was_training)


def _check(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
        raise ValueError(
            f"Images must be a non-empty uint8 tensor of shape [N, C, H, W], "
            f"not {str(images.dtype).removeprefix('torch.')} {list(images.shape)}."
        )


def _finite(value: float, what: str, step: int, settings: TrainSettings) -> None:
    if not math.isfinite(value):
        raise NonFiniteLoss(
            f"Training stopped at step {step}: {what} is {value}. "
            f"A learning_rate below {settings.learning_rate:g} or a grad_clip may help."
        )


def _total_steps(settings: TrainSettings, images: int) -> int | None:
    limits = []
    if settings.steps is not None:
        limits.append(settings.steps)
    if settings.epochs is not None:
        limits.append(settings.epochs * _steps_per_epoch(settings, images))
    return min(limits, default=None)


def _steps_per_epoch(settings: TrainSettings, images: int) -> int:
    return max(1, images // settings.batch_size)


def _used(settings: TrainSettings, total_steps: int | None, steps: int, seconds: float) -> float:
    """The fraction of the budget used up: 1 or more when nothing is left."""
    by_steps = 0.0 if total_steps is None else steps / total_steps
    by_time = 0.0 if settings.seconds is None else seconds / settings.seconds
    return max(by_steps, by_time)


def _batches(images: int, settings: TrainSettings) -> Iterator[Tensor]:
    """Indices of batches without end, reshuffled every epoch; what does not fill a batch waits for another epoch."""
    # A generator of its own: the order must not depend on how much noise a model draws.
    generator = torch.Generator().manual_seed(settings.seed)
    size = settings.batch_size
    while True:
        order = torch.randperm(images, generator=generator)
        for index in range(_steps_per_epoch(settings, images)):
            yield order[index * size : (index + 1) * size]


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def _shown(
    settings: TrainSettings, total_steps: int | None, progress: Callable[[Record], None] | None, unit: str
) -> Iterator[Callable[[Record], None]]:
    if progress is not None:
        yield progress
        return
    # In per mille of the budget, so that one bar serves steps, epochs and seconds.
    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
    # disable=None: no bar where stderr is not a terminal.
    with tqdm(total=1000, desc="training", bar_format=layout, disable=None) as bar:
        average = math.nan

        def show(record: Record) -> None:
            nonlocal average
            average = record.loss if record.step == 1 else 0.95 * average + 0.05 * record.loss
            done = round(1000 * _used(settings, total_steps, record.step, record.seconds))
            bar.set_postfix_str(f"{average:.3f} {unit}, step {record.step}", refresh=False)
            bar.update(max(0, min(done, 1000) - bar.n))

        yield show
