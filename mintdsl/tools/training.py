"""`mint train` and `mint sample`: a flow trained on a data set of images, its weights in a file, and images of it."""

from __future__ import annotations

import inspect
import math
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from mintdsl.core.canonical import spec_hash
from mintdsl.data import DataError, Dataset, load
from mintdsl.tools.programs import Asked, Usage, write_atomically
from mintdsl.train import NonFiniteLoss, TrainSettings, accuracy, curve, evaluate, fit, log_det_error, picture
from mintdsl.train.objectives import ClassifierModel, Model

FORMAT = "weights of mintdsl, 1"


class Sampler(Protocol):
    """What is asked of a flow with a prior."""

    def sample(self, shape: tuple[int, ...], context: Tensor | None = None) -> Tensor:
        """Images as integers [*shape, C, H, W]."""


class Weights(NamedTuple):
    """What `train` keeps: the program's hash, the shape of the images, the state of the module."""

    spec_hash: str
    shape: tuple[int, ...]
    state: dict[str, Tensor]


def split_of(name: str, split: str, root: str | None) -> Dataset:
    """Images and labels; Usage where they cannot be had."""
    try:
        return load(name, split, root=root)
    except DataError as error:
        raise Usage(str(error)) from None


def build(asked: Asked, target: str, shape: tuple[int, ...] | None) -> nn.Module:
    """The module of a proved definition; one on any shape takes `shape`. Usage where something is missing."""
    cls = asked.program.compile(target, **asked.sizes)
    known = inspect.signature(cls).parameters
    missing = [name for name, one in known.items() if one.default is one.empty]
    given: dict[str, object] = {name: asked.sizes[name] for name in missing if name in asked.sizes}
    if "shape" in missing and shape is not None:
        given["shape"] = shape
    lacking = [name for name in missing if name not in given]
    if lacking:
        raise Usage(f"{target} needs {', '.join(lacking)}: make a flow that gives them, or -D NAME=NUMBER for sizes")
    try:
        return cls(**given)
    except ValueError as error:  # a shape that the flow does not divide
        raise Usage(f"{target}: {error}") from None


def train(
    asked: Asked,
    target: str,
    data: str,
    root: str | None,
    settings: TrainSettings,
    out: Path,
    device: torch.device,
) -> list[str]:
    """Train a flow, write its weights into `out` and the course of training beside it; what to say of it."""
    images, held_out = split_of(data, "train", root), split_of(data, "test", root)
    shape = tuple(images.images.shape[1:])
    torch.manual_seed(settings.seed)
    module = build(asked, target, shape).to(device)
    if not hasattr(module, "logits") and not hasattr(module, "bits_per_dim"):
        raise Usage(f"{target} ends in neither `prior` nor `classify`, so there is nothing to train it for")
    if cast(tuple[int, ...], module.event_shape) != shape:
        raise Usage(f"{target} takes {_image(module.event_shape)}, and {data} has images of {_image(shape)}")
    if not hasattr(module, "logits") and module.levels != 256:
        raise Usage(f"{target} does not start with `dequantize 256`, and the images are integers from 0 to 255")
    model = cast(Model, module)
    try:
        history = fit(model, images.images, images.labels, settings=settings)
        found = evaluate(model, held_out.images, held_out.labels, seed=settings.seed)
    except NonFiniteLoss as error:
        raise Usage(str(error)) from None
    except ValueError as error:
        raise Usage(f"{target} on {data}: {error}") from None
    _write(out, module, asked, target, shape)
    drawn = out.with_suffix(".png")
    curve(history, drawn, held_out=found)
    lines = [
        f"{target} on {data}: {len(images.images):,} images, {history.last.step:,} steps of {settings.batch_size} in "
        f"{history.last.seconds:.0f} s",
        f"held out: {found:.3f} {history.unit}" + (_bound(module) if history.unit == "bits/dim" else ""),
    ]
    if hasattr(module, "logits"):
        right = accuracy(cast(ClassifierModel, module), held_out.images, held_out.labels)
        spread = math.sqrt(right * (1 - right) / len(held_out.labels))
        lines.append(
            f"held out: {100 * right:.1f} +- {100 * spread:.1f} % of {len(held_out.labels):,} images are right"
        )
    return [*lines, f"{out}: weights, {drawn}: the course of training"]


def _bound(module: nn.Module) -> str:
    """What the number is a bound of, and what the proof says of log-dets that are estimated."""
    said = ["one draw of the dequantisation noise: an upper bound"] if module.levels else []
    error = log_det_error(module)
    if error is not None:
        bias, spread = error
        said.append(
            f"log-dets estimated: bias at most {bias:.2g}, deviation of one image at most {spread:.2g} bits/dim"
        )
    return f" ({'; '.join(said)})" if said else ""


def _image(shape: object) -> str:
    return f"Image{list(cast(tuple[int, ...], shape))}"


def sample(asked: Asked, target: str, weights: Path, out: Path, count: int, label: int | None, seed: int) -> list[str]:
    """Write a PNG of samples of trained weights, for a flow given the class a row for each; what to say of it."""
    kept = _read(weights, target, asked)
    if kept.spec_hash != _hash(asked, target):
        raise Usage(f"{weights}: {target} is another program now than the one that was trained")
    module = build(asked, target, kept.shape)
    if not hasattr(module, "sample"):
        raise Usage(f"{target} has no prior, so it has no samples")
    module.load_state_dict(kept.state)
    event = cast(tuple[int, ...], module.event_shape)
    if len(event) != 3 or event[0] not in (1, 3) or module.levels != 256:
        raise Usage(f"{target} gives no images of 256 levels in grey or RGB")
    module.eval()
    context = cast(tuple[int, ...] | None, module.context_shape)
    if context is None and label is not None:
        raise Usage(f"{target} is not given a class, so there is none to ask for")
    if context is not None and label is not None and not 0 <= label < context[0]:
        raise Usage(f"{target} has the classes 0 to {context[0] - 1}")
    torch.manual_seed(seed)
    draw = cast(Sampler, module).sample
    if context is None:
        rows = [(f"{target}, samples", draw((count,)))]
    else:
        classes = range(context[0]) if label is None else [label]
        rows = [(f"class {k}", draw((count,), torch.eye(context[0])[k])) for k in classes]
    picture(rows, out)
    return [f"{out}: {sum(len(row) for _, row in rows)} samples"]


def _hash(asked: Asked, target: str) -> str:
    """Of the elaborated program, as a certificate has it."""
    core, _ = asked.program.core()
    key = core.find(target)
    assert key is not None
    return spec_hash(core, key)


def _write(out: Path, module: nn.Module, asked: Asked, target: str, shape: tuple[int, ...]) -> None:
    """Weights with what is needed to see that they belong to a program; all or nothing."""
    data = BytesIO()
    state = {name: value.cpu() for name, value in module.state_dict().items()}
    made = {"definition": target, "hash": _hash(asked, target), "sizes": dict(asked.sizes), "shape": shape}
    torch.save({"format": FORMAT, **made, "state": state}, data)
    write_atomically(out, data.getvalue())


def _read(weights: Path, target: str, asked: Asked) -> Weights:
    """What is in a file that `train` wrote; Usage where it is none, or of another definition."""
    data = BytesIO(weights.read_bytes())
    try:
        found = torch.load(data, map_location="cpu", weights_only=True)
    except Exception:  # whatever an unpickler meets in a file of another kind
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Usage(f"{weights} was not written by mint train")
    if found["definition"] != target or found["sizes"] != dict(asked.sizes):
        sizes = "".join(f" -D {k}={v}" for k, v in found["sizes"].items())
        raise Usage(f"{weights} holds the weights of {found['definition']}{sizes}")
    return Weights(found["hash"], tuple(found["shape"]), found["state"])
