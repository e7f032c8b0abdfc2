"""Lightning: training a generated flow, with either of its packages."""

from __future__ import annotations

import copy
import importlib
import math
import sys
from pathlib import Path

import pytest
import torch
from conftest import Library
from interop_modules import DENSITIES, Conditional, build, data, some, worst
from torch.utils.data import DataLoader, TensorDataset

from mintdsl.interop import InteropError

PACKAGES = ["lightning", "pytorch_lightning"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*logging interval"),
    pytest.mark.filterwarnings("ignore:.*isinstance.*LeafSpec"),
]


def names(package: str, library: Library):
    """(Training, Trainer) of a package."""
    library(package)
    trainer = importlib.import_module("lightning.pytorch" if package == "lightning" else package).Trainer
    return importlib.import_module(f"mintdsl.interop.{package}").Training, trainer


def quiet(trainer, folder: Path, epochs: int = 20):
    return trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


@pytest.mark.parametrize("program", DENSITIES)
@pytest.mark.parametrize("package", PACKAGES)
def test_fit(package: str, program: str, library: Library, tmp_path: Path) -> None:
    training_class, trainer_class = names(package, library)
    model = build(program).train()
    x = data(model, 32)
    training = training_class(model, optimizer=lambda p: torch.optim.Adam(p, lr=0.02))
    loader, held_out = DataLoader(TensorDataset(x, torch.zeros(32)), batch_size=16), DataLoader(x, batch_size=16)
    before = float(-model.log_prob(x).mean().detach())
    trainer = quiet(trainer_class, tmp_path)
    trainer.fit(training, loader, held_out)
    seen = trainer.callback_metrics
    assert set(seen) >= {f"{stage}_{unit}" for stage in ("train", "val") for unit in ("nats", "bits_per_dim")}
    assert float(seen["val_nats"]) < before - 0.1
    size = math.prod(model.event_shape) * math.log(2)
    for stage in ("train", "val"):
        assert float(seen[f"{stage}_bits_per_dim"]) == pytest.approx(float(seen[f"{stage}_nats"]) / size, rel=1e-5)
    assert "test_nats" in trainer.test(training, held_out, verbose=False)[0]
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    fresh = training_class.load_from_checkpoint(tmp_path / "last.ckpt", model=build(program, seed=1))
    y = some(model)
    assert torch.equal(fresh.model(y)[0], model(y)[0])
    assert torch.equal(copy.deepcopy(training)(y)[0], model(y)[0])


@pytest.mark.parametrize("unit", ["nats", "bits_per_dim"])
def test_losses(unit: str, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    training_class, _ = names("lightning", library)
    model = build("images")
    x = data(model)
    training = training_class(model, loss=unit)
    logged = {}
    monkeypatch.setattr(training, "log", lambda key, value, **_: logged.update({key: value}))
    for stage, step in (("train", "training"), ("val", "validation"), ("test", "test")):
        torch.manual_seed(3)
        loss = getattr(training, f"{step}_step")((x, torch.zeros(4)), 0)
        torch.manual_seed(3)
        expected = -model.log_prob(x).mean()
        torch.manual_seed(3)
        bits = model.bits_per_dim(x).mean()
        assert worst(logged[f"{stage}_nats"], expected.detach()) <= 1e-12
        assert worst(logged[f"{stage}_bits_per_dim"], bits.detach()) <= 1e-12
        assert worst(loss, expected if unit == "nats" else bits) <= 1e-12
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    assert not any(value.requires_grad for value in logged.values())


def test_default_optimizer(library: Library) -> None:
    training_class, _ = names("lightning", library)
    optimizer = training_class(build("reals")).configure_optimizers()
    assert isinstance(optimizer, torch.optim.Adam) and optimizer.defaults["lr"] == 1e-3


def test_context(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    training_class, _ = names("lightning", library)
    model = Conditional()
    training = training_class(model)
    monkeypatch.setattr(training, "log", lambda *_, **__: None)
    x, c = some(model), some(model, seed=8)[:, :2]
    assert worst(training.training_step((x, c), 0), -model.log_prob(x, c).mean()) <= 1e-12
    with pytest.raises(InteropError, match=r"batches must be pairs \(x, context\)"):
        training.training_step(x, 0)


def test_what_cannot_train(library: Library) -> None:
    training_class, _ = names("lightning", library)
    for program in ("no prior", "padded"):
        with pytest.raises(InteropError, match="F has no"):
            training_class(build(program))
    with pytest.raises(InteropError, match="nats or bits_per_dim, not bits"):
        training_class(build("reals"), loss="bits")


def test_the_other_package_where_lightning_is_missing(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    other = library("pytorch_lightning")
    for name in [m for m in sys.modules if m.split(".")[0] == "lightning"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.delitem(sys.modules, "mintdsl.interop.lightning", raising=False)
    found = importlib.import_module("mintdsl.interop.lightning")
    monkeypatch.delitem(sys.modules, "mintdsl.interop.lightning")
    assert issubclass(found.Training, other.LightningModule)
