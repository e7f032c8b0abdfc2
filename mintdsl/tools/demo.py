"""`mint demo`: proof, module, training, inverse and samples on real images, once through and told as it goes."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

import click
import torch
from torch import Tensor, nn

import mintdsl
from mintdsl.data import load
from mintdsl.driver import Program
from mintdsl.proof.prover import Prover
from mintdsl.resources import resource
from mintdsl.runtime.inverse import InversionError
from mintdsl.runtime.steps import dequantize, quantize
from mintdsl.tools import proofs, show
from mintdsl.tools.draw import draw
from mintdsl.tools.programs import Usage, is_generated, write_atomically
from mintdsl.tools.proof_document import document
from mintdsl.train import NonFiniteLoss, TrainSettings, curve, evaluate, fit, picture

SPEC, FLOW = "mintnet/mnist_small.mint", "MnistSmall"
LEARNING_RATE, BATCH = 5e-3, 16  # higher ones learn faster, but the trained network inverts worse in float32
SHOWN = 16


class Flow(Protocol):
    """What the demonstration asks of the generated module."""

    training: bool

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latent and log-det."""

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Data and log-det."""

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        """Images as integers."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of integers."""

    def bits_per_dim(self, x: Tensor) -> Tensor:
        """Bits per dimension of integers."""

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """As of nn.Module."""

    def modules(self) -> Iterator[nn.Module]:
        """As of nn.Module."""

    def state_dict(self) -> dict[str, Tensor]:
        """As of nn.Module."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As of nn.Module."""

    def train(self, mode: bool = True) -> object:
        """As of nn.Module."""

    def to(self, dtype: torch.dtype) -> object:
        """As of nn.Module."""


@dataclass(slots=True)
class _Story:
    """What is told on the way, and kept for report.txt."""

    folder: Path
    at: show.Terminal
    figures: list[str] = field(default_factory=list)
    steps: int = 0

    def step(self, title: str, command: str) -> None:
        self.steps += 1
        click.echo()
        click.echo(self.at.style("bold", f"{self.steps}. {title}"), color=True)
        click.echo(self.at.style("faint", f"   {command}"), color=True)

    def say(self, text: str) -> None:
        first, *rest = show.wrap(text, self.at.width - 3)
        click.echo("\n".join(f"   {line}" for line in [first, *rest]))

    def note(self, name: str, value: str) -> None:
        """A figure: said, and kept for the report."""
        self.figures.append(f"{name:<52}{value}")
        click.echo(f"   {name:<52}{value}")

    def path(self, name: str) -> Path:
        return self.folder / name


def run(folder: Path, seconds: float, seed: int) -> bool:
    """The whole demonstration into `folder`; whether everything it claims came out so. Raises Usage, OSError."""
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    story = _Story(folder, show.terminal())
    click.echo("An invertible network from its formula: proof, PyTorch module, training, inverse, samples.")
    click.echo(f"Everything runs on this machine's processor and is kept in {folder}/.")

    program = _prove(story)
    module = _build(story, program)
    exact = _log_dets(story, module, seed)
    train, held_out = load("embedded", "train").images, load("embedded", "test").images

    torch.manual_seed(seed)
    model = module.MnistSmall()
    before_threads = torch.get_num_threads()
    torch.set_num_threads(_threads(model, train[:BATCH]))
    try:
        fine = _train_and_invert(story, model, train, held_out, seconds, seed)
    finally:
        torch.set_num_threads(before_threads)
    story.note("whole demonstration", f"{time.perf_counter() - began:.0f} s")
    report = [f"mint demo --seconds {seconds:g} --seed {seed}, torch {torch.__version__}", "", *story.figures]
    write_atomically(story.path("report.txt"), ("\n".join(report) + "\n").encode())
    click.echo()
    click.echo(f"In {folder}/: " + ", ".join(sorted(p.name for p in folder.iterdir() if p.is_file())))
    return fine and exact


def _threads(model: Flow, images: Tensor) -> int:
    """One thread, or as many as torch takes by itself where these are faster.

    A network this small gains little from threads, and on a machine that does other things too, threads that wait for
    each other can lose a factor of ten.
    """
    default = torch.get_num_threads()

    def measured(threads: int, repeats: int) -> float:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for _ in range(repeats):
            torch.autograd.backward(model.bits_per_dim(images).mean())
        model.zero_grad(set_to_none=True)
        return (time.perf_counter() - start) / repeats

    measured(1, 1)  # the first is slower whatever the threads
    alone = measured(1, 2)
    many = measured(default, 1)
    if many < 1.5 * alone:  # it made the threads, too: once more
        many = measured(default, 2)
    return default if many < 0.9 * alone else 1


def _train_and_invert(story: _Story, model: Flow, train: Tensor, held_out: Tensor, seconds: float, seed: int) -> bool:
    story.step("Train it, shortly", "mintdsl.train.fit(model, images, settings=...)")
    story.say(
        f"{len(train)} images of Fashion-MNIST (MIT licence, Zalando SE) come with mintdsl, {len(held_out)} more are "
        f"held out; {seconds:g} seconds on {torch.get_num_threads()} thread(s)."
    )
    before = evaluate(model, held_out, seed=seed)
    story.note("bits/dim held out, before training", f"{before:.3f}")
    settings = TrainSettings(
        seconds=seconds, batch_size=BATCH, learning_rate=LEARNING_RATE, schedule="cosine", grad_clip=100.0, seed=seed
    )
    try:
        history = fit(model, train, settings=settings)
    except NonFiniteLoss as error:
        story.say(f"Training failed: {error}")
        return False
    after = evaluate(model, held_out, seed=seed)
    curve(history, story.path("curve.png"), held_out=after)
    torch.save(model.state_dict(), story.path("model.pt"))
    story.note("bits/dim held out, after training", f"{after:.3f}")
    story.note("training", f"{history.last.step:,} steps in {history.last.seconds:.0f} s")
    learned = after < before
    if not learned:
        story.say("Held-out bits/dim did not fall: the time was too short to learn anything. Try more --seconds.")

    return _pictures(story, model, held_out, seed) and learned


# ---------------------------------------------------------------- proof and module


def _prove(story: _Story) -> Program:
    story.step("Is it invertible? Ask before running anything", f"mint check {SPEC}; mint prove {SPEC}")
    start = time.perf_counter()
    program = mintdsl.load(resource("specs") / SPEC)
    report = program.check()
    seconds = time.perf_counter() - start
    if not report.ok:
        raise RuntimeError(f"the packaged {SPEC} is refused")
    core, _ = program.core()
    for line in show.lines(report, core, {}):
        story.say(line.replace(" | ", "; "))
    story.say(
        f"Proved in {1000 * seconds:.0f} ms, for all weights that training can reach. The derivation is in proof.txt."
    )
    plain = show.Terminal(color=False, width=110, boxes=True)
    found = Prover(core).used(core.main)
    lines = proofs.text(document(found, core, report.sources), plain)
    write_atomically(story.path("proof.txt"), ("\n".join(lines) + "\n").encode())
    return program


def _build(story: _Story, program: Program) -> ModuleType:
    story.step("Generate the PyTorch module, and draw it", f"mint build {SPEC} -o mnist_small.py; mint draw {SPEC}")
    path = story.path("mnist_small.py")
    if path.exists() and not is_generated(path):
        raise Usage(f"{path} was not written by mintdsl; give another folder with -o")
    source = program.generate(FLOW)
    write_atomically(path, source.encode())
    for name in ("architecture.svg", "architecture.png"):
        draw(program, FLOW, {}, str(story.path(name)))
    spec = importlib.util.spec_from_file_location("mnist_small", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mnist_small"] = module  # so that its classes pickle
    spec.loader.exec_module(module)
    story.say(
        f"{source.count(chr(10)):,} lines that import only torch. From here on the network is imported from "
        f"{module.__file__}."
    )
    return module


def _log_dets(story: _Story, module: ModuleType, seed: int) -> bool:
    """Both directions of the layer, small and in float64, against a dense Jacobian by autograd."""
    story.step("Are log-determinants exact? Compare with dense Jacobians", f"mint verify {SPEC}")
    generator = torch.Generator().manual_seed(seed)
    worst, outside, least = 0.0, 0.0, float("inf")
    for tri in ("lower", "upper"):
        layer = module.Mint((3, 5, 4), K=4, tri=tri, dtype=torch.float64)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        for x in torch.randn(4, 3, 5, 4, generator=generator, dtype=torch.float64):
            jacobian = torch.func.jacrev(lambda v, f=layer: f(v)[0])(x).detach().reshape(60, 60)
            claimed = layer(x)[1].detach()
            worst = max(worst, abs(float(torch.linalg.slogdet(jacobian)[1] - claimed)))
            forbidden = jacobian.triu(1) if tri == "lower" else jacobian.tril(-1)
            outside = max(outside, float(forbidden.abs().max()))
            least = min(least, float(jacobian.diagonal().min()))
    story.note("worst error of log|det| (float64, 60 x 60)", f"{worst:.1e}")
    story.note("largest entry on the forbidden side", f"{outside:g}")
    story.note("smallest diagonal entry", f"{least:.2e}")
    return worst < 1e-8 and outside == 0 and least > 0


# ---------------------------------------------------------------- inverse and samples


def _pictures(story: _Story, model: Flow, images: Tensor, seed: int) -> bool:
    story.step("Invert it: images from their latent codes", "x, log_det = model.inverse(z)")
    model.train(False)
    rows: Sequence[tuple[str, Tensor]]
    try:
        with torch.no_grad():
            torch.manual_seed(seed)
            x = dequantize(images, 256, torch.float32)
            z, _ = model(x)
            start = time.perf_counter()
            again, _ = model.inverse(z)
            seconds = time.perf_counter() - start
            layers = _residual(model)
            whole = float(((model(again)[0] - z).abs() / (1 + z.abs())).max())
            levels = quantize(again, 256)
            error = (again - x).abs().flatten(1).amax(1)
            worst = int(error.argmax())
            story.note("images inverted (float32)", f"{len(images)} in {seconds:.1f} s")
            story.note("worst error in x, in the unit interval", f"{float(error.max()):.1e}")
            double = _in_double(model, x[worst : worst + 1])
            story.note("the same in float64, of the worst image", f"{double:.1e}")
            grey, wrong = int((levels - images).abs().max()), int((levels != images).sum())
            story.note("worst error in grey levels", f"{grey} of 255; {wrong} of {levels.numel():,} pixels differ")
            exact = int((levels == images).flatten(1).all(1).sum())
            near = int((error <= 0.5 / 256).sum())
            story.note("images whose every pixel comes back", f"{exact} of {len(images)}, {near} within half a level")
            story.note(
                "worst residual |f(x) - z| / (1 + |z|) of a layer", f"{layers:.1e}, tested by the inverse itself"
            )
            story.note("the same of the whole flow", f"{whole:.1e}: float32 next to black, where logit is steep")
            if double < 0.5 / 256 < float(error.max()):
                story.say(
                    "The residual is tested; the error it leaves depends on the condition of the trained network. The "
                    "float32 code of the worst image has lost digits that the float64 code keeps."
                )
            story.step("Draw samples: the inverse of noise", "model.sample((16,))")
            start = time.perf_counter()
            samples = model.sample((SHOWN,))
            story.note("samples", f"{SHOWN} in {time.perf_counter() - start:.1f} s")
    except InversionError as error:
        story.say(f"The inverse missed its tolerance, and says so: {error}")
        story.figures.append(f"inverse failed: {error}")
        return False
    rows = [
        ("held-out images", images[:SHOWN]),
        ("the same, reconstructed from their latent codes", levels[:SHOWN]),
        ("samples of the briefly trained model", samples),
    ]
    picture(rows, story.path("pictures.png"), columns=SHOWN)
    story.say("All three are in pictures.png. So short a training gives rough samples.")
    return True


def _in_double(model: Flow, x: Tensor) -> float:
    """The worst error of the round trip of x in float64; the model is left in float32."""
    model.to(torch.float64)
    try:
        wide = x.to(torch.float64)
        again, _ = model.inverse(model(wide)[0])
        return float((again - wide).abs().max())
    finally:
        model.to(torch.float32)


def _residual(model: Flow) -> float:
    """The worst residual that the layers' inverses found in their last calls."""
    found = [getattr(module, "last_inverse", None) for module in model.modules()]
    return max((float(info.residual.max()) for info in found if info is not None), default=0.0)
