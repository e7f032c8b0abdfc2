"""The commands that train and sample; `cli.py` adds them to the others."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from mintdsl.tools.options import checked_target, say, takes_program
from mintdsl.tools.programs import Usage, ask


@click.command(short_help="Train a flow on images.")
@takes_program
@click.option(
    "--data", default="embedded", metavar="SET", help="embedded (the default), mnist, fashion-mnist, cifar10."
)
@click.option("--root", metavar="FOLDER", help="Where the files of the data set are.")
@click.option("-o", "out", metavar="OUT.pt", help="File for the weights; NAME.pt by default.")
@click.option("--seconds", type=float, help="Time for training; a minute where no budget is given.")
@click.option("--epochs", type=int, help="Passes over the data.")
@click.option("--steps", type=int, help="Steps of the optimiser.")
@click.option("--batch-size", type=int, default=64, help="Images a step.")
@click.option("--learning-rate", type=float, default=1e-3, help="Of Adam.")
@click.option("--schedule", type=click.Choice(["constant", "cosine"]), default="cosine", help="Of the learning rate.")
@click.option("--grad-clip", type=float, default=100.0, help="The greatest norm of the gradient.")
@click.option("--device", "place", default="cpu", help="cpu, cuda, ...")
@click.option("--seed", type=int, default=0, help="Of weights, the order of images, and noise.")
def train(
    file: str,
    name: str | None,
    option: str | None,
    defines: tuple[str, ...],
    data: str,
    root: str | None,
    out: str | None,
    seconds: float | None,
    epochs: int | None,
    steps: int | None,
    batch_size: int,
    learning_rate: float,
    schedule: str,
    grad_clip: float,
    place: str,
    seed: int,
) -> None:
    """Train a flow on images by maximum likelihood, or a classifier by cross-entropy.

    A flow `given` a Vec[classes] learns the density of the images of each class. Writes the weights and a chart.

    \b
    Example: mint train mintnet/mnist_small.mint -D K=4 --data fashion-mnist --epochs 2
    """
    gc.enable()
    asked = ask(file, name, option, defines)
    target = checked_target(asked)
    import torch

    from mintdsl.tools import training
    from mintdsl.train import SettingsError, TrainSettings

    budget = {"seconds": seconds, "epochs": epochs, "steps": steps}
    if not any(budget.values()):
        budget["seconds"] = 60.0
    how = {"batch_size": batch_size, "learning_rate": learning_rate, "schedule": schedule, "grad_clip": grad_clip}
    try:
        settings = TrainSettings.model_validate({**budget, **how, "seed": seed})
        device = torch.device(place)
        torch.empty((), device=device)
    except (SettingsError, RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise Usage(str(error).splitlines()[0]) from None
    say(training.train(asked, target, data, root, settings, Path(out or f"{target}.pt"), device))


@click.command(short_help="Draw samples of a trained flow.")
@takes_program
@click.option("--weights", required=True, metavar="FILE.pt", help="What `mint train` wrote.")
@click.option("-o", "out", default="samples.png", metavar="OUT.png", help="File to write; samples.png by default.")
@click.option("-n", "count", type=click.IntRange(1, 4096), default=64, help="Samples, of each class if there are any.")
@click.option("--label", type=int, metavar="CLASS", help="Of this class only.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Of the samples.")
def sample(
    file: str,
    name: str | None,
    option: str | None,
    defines: tuple[str, ...],
    weights: str,
    out: str,
    count: int,
    label: int | None,
    seed: int,
) -> None:
    """Write a PNG of samples of a flow that `mint train` trained.

    \b
    Example: mint sample mintnet/mnist_small.mint -D K=4 --weights MnistSmall.pt
    """
    gc.enable()
    asked = ask(file, name, option, defines)
    target = checked_target(asked)
    from mintdsl.tools import training

    say(training.sample(asked, target, Path(weights), Path(out), count, label, seed))
