"""Training and its pictures, with a flow written by hand whose density is known."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from mintdsl.data import load
from mintdsl.train import (
    FlowModel,
    History,
    NonFiniteLoss,
    Record,
    SettingsError,
    TrainSettings,
    curve,
    evaluate,
    fit,
    picture,
    silent,
)


class PixelFlow(nn.Module):
    """Each pixel by itself: uniform dequantisation, logit, affine, standard normal."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))

    def log_prob(self, x: Tensor) -> Tensor:
        p = 1e-5 + (1 - 2e-5) * (x.float() + torch.rand(x.shape)) / 256
        slope = math.log((1 - 2e-5) / 256) - p.log() - torch.log1p(-p)
        z = (p.logit() - self.shift) * torch.exp(-self.log_scale)
        normal = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
        return (normal + slope - self.log_scale).flatten(1).sum(1)

    def bits_per_dim(self, x: Tensor) -> Tensor:
        return -self.log_prob(x) / (math.log(2) * x[0].numel())


class Exploding(PixelFlow):
    """Gives NaN from the third step on; or only its gradient is NaN."""

    def __init__(self, gradient_only: bool) -> None:
        super().__init__(1, 28, 28)
        self.gradient_only = gradient_only
        self.calls = 0

    def bits_per_dim(self, x: Tensor) -> Tensor:
        self.calls += 1
        bits = super().bits_per_dim(x)
        if self.calls < 3:
            return bits
        # The square root's slope at 0 is infinite; 0 times it is NaN, while the value stays finite.
        return bits + 0 * (self.shift * 0).sum().sqrt() if self.gradient_only else bits * math.nan


@pytest.fixture(scope="module")
def images() -> Tensor:
    return load("embedded").images


def trained(images: Tensor, **settings: float | str) -> tuple[PixelFlow, History]:
    model = PixelFlow(1, 28, 28)
    chosen = TrainSettings.model_validate({"steps": 20, "learning_rate": 0.05, **settings})
    return model, fit(model, images, settings=chosen, progress=silent)


def test_training_lowers_bits_per_dim_on_held_out_images(images: Tensor) -> None:
    test = load("embedded", "test").images
    before = evaluate(PixelFlow(1, 28, 28), test)
    model, history = trained(images, steps=60, learning_rate=0.1)
    after = evaluate(model, test)
    assert after < 6 < before
    assert abs(history.smoothed(20)[-1].loss - after) < 0.3


def test_bits_of_uniform_noise() -> None:
    """No model can code uniform bytes in fewer than 8 bits, and the logistic density comes close to 8."""
    noise = torch.randint(0, 256, (64, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    model = PixelFlow(1, 16, 16)
    fit(model, noise, settings=TrainSettings(steps=150, learning_rate=0.02), progress=silent)
    fresh = torch.randint(0, 256, (256, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    assert 8.0 <= evaluate(model, fresh) < 8.2


def test_same_seed_same_result_and_other_seed_another(images: Tensor) -> None:
    (one, first), (two, second), (_, third) = (trained(images, seed=seed) for seed in (1, 1, 2))
    bits = [[record.loss for record in history.records] for history in (first, second, third)]
    assert bits[0] == bits[1] != bits[2]
    assert torch.equal(one.shift, two.shift)


def test_callers_random_state_and_mode_are_left(images: Tensor) -> None:
    model = PixelFlow(1, 28, 28).eval()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(model, images, settings=TrainSettings(steps=2), progress=silent)
    evaluate(model, images[:8])
    assert torch.equal(torch.rand(3), expected)
    assert not model.training


def test_budgets(images: Tensor) -> None:
    assert len(trained(images, steps=7)[1].records) == 7
    _, history = trained(images, steps=1000, epochs=2, batch_size=100)
    assert [record.step for record in history.records] == list(range(1, 11))
    start = time.perf_counter()
    model = PixelFlow(1, 28, 28)
    history = fit(model, images, settings=TrainSettings(seconds=0.4), progress=silent)
    assert 0.3 < time.perf_counter() - start < 20  # whatever else the machine does
    assert history.records[-2].seconds < 0.4
    history = fit(model, images, settings=TrainSettings(seconds=1e-9), progress=silent)
    assert len(history.records) == 1
    # Fewer images than a batch: the batch is what there is.
    assert len(fit(model, images[:5], settings=TrainSettings(epochs=3), progress=silent).records) == 3


def test_every_epoch_sees_every_image_once(images: Tensor) -> None:
    seen: list[Tensor] = []

    class Watching(PixelFlow):
        def bits_per_dim(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().bits_per_dim(x)

    settings = TrainSettings(epochs=1, batch_size=64)
    fit(Watching(1, 28, 28), images, settings=settings, progress=silent)
    assert torch.equal(
        torch.cat(seen).sum((1, 2, 3)).sort().values, images.sum((1, 2, 3)).sort().values
    ) and not torch.equal(torch.cat(seen), images)


def test_cosine_schedule_ends_near_zero(images: Tensor) -> None:
    settings = {"steps": 40, "schedule": "cosine"}
    model = PixelFlow(1, 28, 28)
    moves: list[float] = []
    last = model.shift.detach().clone()

    def watch(record: Record) -> None:
        nonlocal last
        moves.append(float((model.shift.detach() - last).abs().max()))
        last = model.shift.detach().clone()

    fit(model, images, settings=TrainSettings.model_validate(settings), progress=watch)
    assert len(moves) == 40 and moves[-1] < 0.02 * max(moves)


def test_gradient_clipping_limits_the_gradient(images: Tensor) -> None:
    model = PixelFlow(1, 28, 28)
    fit(model, images, settings=TrainSettings(steps=1, grad_clip=1e-3), progress=silent)
    total = sum(float((p.grad**2).sum()) for p in model.parameters() if p.grad is not None)
    assert math.sqrt(total) <= 1e-3 * 1.001


@pytest.mark.parametrize(("gradient_only", "what"), [(False, "bits/dim is nan"), (True, "the gradient's norm is nan")])
def test_non_finite_loss_names_the_step(images: Tensor, gradient_only: bool, what: str) -> None:
    model = Exploding(gradient_only)
    with pytest.raises(NonFiniteLoss, match=f"stopped at step 3: {what}"):
        fit(model, images, settings=TrainSettings(steps=5), progress=silent)
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def test_bar_shows_bits_per_dim(
    images: Tensor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(PixelFlow(1, 28, 28), images, settings=TrainSettings(steps=5))
    text = capsys.readouterr().err
    assert "bits/dim, step 5" in text and "100%" in text


def test_no_bar_without_a_terminal(images: Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    fit(PixelFlow(1, 28, 28), images, settings=TrainSettings(steps=2))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Training needs a budget: set `seconds`, `epochs` or `steps`."),
        ({"steps": 0}, "`steps` must be greater than or equal to 1, not 0."),
        ({"seconds": -1.0}, "`seconds` must be greater than 0, not -1.0."),
        ({"seconds": math.inf}, "`seconds` must be a finite number, not inf."),
        ({"steps": 1, "learning_rate": "fast"}, "`learning_rate` must be a valid number, not 'fast'."),
        ({"steps": 1, "schedule": "linear"}, "`schedule` must be 'constant' or 'cosine', not 'linear'."),
        ({"steps": 1, "seed": -1}, "`seed` must be greater than or equal to 0, not -1."),
    ],
)
def test_wrong_settings_are_one_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        TrainSettings.model_validate(values)
    assert str(caught.value) == sentence


def test_unknown_setting_lists_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"There is no setting `lr` \(there are seconds, epochs, .*seed\)\."):
        TrainSettings.model_validate({"steps": 1, "lr": 0.1})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainSettings(steps=1).seed = 3


@pytest.mark.parametrize("wrong", [torch.zeros(4, 1, 28, 28), torch.zeros(4, 28, 28, dtype=torch.uint8)])
def test_wrong_images(wrong: Tensor) -> None:
    with pytest.raises(ValueError, match="must be a non-empty uint8 tensor"):
        fit(PixelFlow(1, 28, 28), wrong, settings=TrainSettings(steps=1), progress=silent)
    with pytest.raises(ValueError, match="must be a non-empty uint8 tensor"):
        evaluate(PixelFlow(1, 28, 28), wrong)


def test_evaluate_is_deterministic_and_averages_draws(images: Tensor) -> None:
    model: FlowModel = PixelFlow(1, 28, 28)
    few = images[:32]
    one, again, other, mean = (
        evaluate(model, few, seed=seed, draws=draws) for seed, draws in ((0, 1), (0, 1), (1, 1), (0, 8))
    )
    assert one == again != other
    assert mean != one and abs(mean - one) < 0.05


def test_evaluate_refuses_what_is_not_finite(images: Tensor) -> None:
    model = PixelFlow(1, 28, 28)
    with torch.no_grad():
        model.shift.fill_(math.nan)
    with pytest.raises(NonFiniteLoss):
        evaluate(model, images[:4])


def test_picture_holds_the_pixels(tmp_path: Path, images: Tensor) -> None:
    path = tmp_path / "rows.png"
    picture([("Originals", images[:3]), ("RGB", images[3:5].expand(-1, 3, -1, -1).float() + 0.3)], path, scale=2)
    pixels = np.asarray(Image.open(path))
    tile = images[0, 0].numpy().repeat(2, 0).repeat(2, 1)
    where = [
        (row, column)
        for row in range(pixels.shape[0] - 55)
        for column in (20,)
        if np.array_equal(pixels[row : row + 56, column : column + 56, 0], tile)
    ]
    assert len(where) == 1
    assert pixels.shape[1] == 40 + 3 * 56 + 2 * 4


def test_picture_clips_and_wraps(tmp_path: Path) -> None:
    levels = torch.tensor([-5.0, 300.0, math.nan, 99.6]).reshape(4, 1, 1, 1).expand(4, 1, 8, 8)
    picture([("x", levels)], tmp_path / "wide.png", columns=4)
    picture([("x", levels)], tmp_path / "tall.png", columns=2)
    wide, tall = (np.asarray(Image.open(tmp_path / name)) for name in ("wide.png", "tall.png"))
    assert tall.shape[0] == wide.shape[0] + 28 and tall.shape[1] == wide.shape[1] - 56
    assert [int(wide[-25, 22 + 28 * index, 0]) for index in range(4)] == [0, 255, 0, 100]


@pytest.mark.parametrize("rows", [[], [("x", torch.zeros(2, 2, 4, 4))], [("x", torch.zeros(0, 1, 4, 4))]])
def test_picture_refuses_what_it_cannot_draw(tmp_path: Path, rows: list[tuple[str, Tensor]]) -> None:
    with pytest.raises(ValueError):
        picture(rows, tmp_path / "x.png")


@pytest.mark.parametrize("steps", [1, 2, 30, 2000])
def test_curve(tmp_path: Path, steps: int) -> None:
    records = tuple(Record(step, step * 0.01, 3 + 20 / step) for step in range(1, steps + 1))
    curve(History(records), tmp_path / "curve.png", held_out=3.4)
    image = np.asarray(Image.open(tmp_path / "curve.png")).astype(int)
    assert image.shape == (460, 840, 3)
    blue = (image[:, :, 2] - image[:, :, 0] > 100).sum()
    assert blue > 20


def test_curve_of_constant_and_of_negative_values(tmp_path: Path) -> None:
    for value in (3.0, 0.0, -2.5):
        curve(History((Record(1, 0.0, value), Record(2, 0.0, value))), tmp_path / "flat.png")
    with pytest.raises(ValueError, match="no steps"):
        curve(History(()), tmp_path / "none.png")


def test_smoothed_is_the_running_mean() -> None:
    history = History(tuple(Record(step, float(step), float(step)) for step in range(1, 6)))
    assert [record.loss for record in history.smoothed(2)] == [1.0, 1.5, 2.5, 3.5, 4.5]
