"""Multi-scale flows: the flat latent, its density and samples, against flows of one scale put together by hand."""

from __future__ import annotations

import math

import pytest
import torch
from codegen_oracle import Compiled, compile_text, dense_jacobian, near_initial, worst
from codegen_programs import HEAD
from torch import Tensor, nn

import mintdsl
from mintdsl.train import TrainSettings, evaluate, fit, picture

torch.set_num_threads(1)

LAYER = """
layer A(tri: Dir = lower) on Image[C, H, W] ensures tri, diag > 0, invertible {
  param t : scale with diag >= 0.5
  param k : conv 3x3 tri with diag >= 0
  param b : bias
  map x -> t * x + tanh(k(x) + b)
}
"""
TWO = LAYER + "flow F on Image[2, 4, 2] ensures invertible { a: A  factor half  c: A(tri = upper)  prior normal }"
THREE = (
    LAYER
    + """
flow F on Image[1, 8, 4] ensures invertible {
  squeeze 2
  a: A
  factor half (keep = second)
  squeeze 2
  b: A(tri = upper)
  factor half
  c: A
  prior normal
}"""
)
CHANNELS = THREE.replace("prior normal", "prior learned_normal(per = channel)")
BESIDE = CHANNELS.replace("factor half (keep = second)", "factor half (keep = second, prior = N)").replace(
    "flow F", "net N from S to (S, S) { map x -> (0.5 * x, 0.1 * x) }\nflow F"
)
IMAGES = (
    LAYER
    + """
flow F on Image[1, 8, 8] ensures invertible {
  dequantize 8
  logit(0.05)
  squeeze 2
  a: A
  factor half
  squeeze 2
  b: A
  factor half (keep = second)
  c: A
  prior normal
}"""
)


def made(text: str, dtype: torch.dtype = torch.float64) -> tuple[Compiled, nn.Module]:
    at = compile_text(HEAD + text)
    return at, near_initial(at.build(), std=0.3).to(dtype)


def tiles(x: Tensor) -> Tensor:
    """squeeze 2, written out: channel (2 dy + dx) C + c is x[c, 2 i + dy, 2 j + dx]."""
    return torch.cat([x[:, :, dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)], 1)


def two(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The flow of TWO, step by step."""
    y, first = model.a(x)
    kept, second = model.c(y[:, :1])
    return torch.cat([y[:, 1:].flatten(1), kept.flatten(1)], 1), first + second


def three(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The flow of THREE, step by step."""
    y, first = model.a(tiles(x))
    u, second = model.b(tiles(y[:, 2:]))
    kept, third = model.c(u[:, :4])
    return torch.cat([part.flatten(1) for part in (y[:, :2], u[:, 4:], kept)], 1), first + second + third


@pytest.mark.parametrize(
    ("text", "by_hand", "parts"),
    [
        (TWO, two, ((1, 4, 2), (1, 4, 2))),
        (THREE, three, ((2, 4, 2), (4, 2, 1), (4, 2, 1))),
    ],
)
def test_scales_against_their_steps(text: str, by_hand, parts: tuple[tuple[int, ...], ...]) -> None:  # type: ignore[no-untyped-def]
    _, model = made(text)
    size = math.prod(model.event_shape)
    assert model.latent_parts == parts and model.latent_shape == (size,) == (sum(map(math.prod, parts)),)
    x = torch.randn(5, *model.event_shape, dtype=torch.float64)
    z, log_det = model(x)
    expected, expected_det = by_hand(model, x)
    assert worst(z, expected) == 0.0 and worst(log_det, expected_det) <= 1e-14
    jacobian = torch.stack([dense_jacobian(model, row) for row in x])
    assert jacobian.shape == (5, size, size)
    assert worst(log_det, torch.linalg.slogdet(jacobian).logabsdet) <= 1e-12
    back, inverse_det = model.inverse(z)
    assert worst(back, x) <= 1e-9 and worst(inverse_det, -log_det) <= 1e-9
    # what left is exact: each entry of z is needed, and none is drawn anew
    assert torch.equal(model.inverse(z)[0], back)
    elsewhere = torch.randn_like(z)
    assert worst(model(model.inverse(elsewhere)[0])[0], elsewhere) <= 1e-9
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(expected).sum(1)
    assert worst(model.log_prob(x), normal + expected_det) <= 1e-12
    assert worst(model.bits_per_dim(x), -(normal + expected_det) / (size * math.log(2))) <= 1e-12


@pytest.mark.parametrize(("text", "learned"), [(CHANNELS, (0, 1, 2)), (BESIDE, (1, 2))])
def test_each_part_has_a_location_and_a_scale_for_each_of_its_channels(text: str, learned: tuple[int, ...]) -> None:
    _, model = made(text)
    prior = model.prior if len(learned) == 3 else model.prior.rest
    with torch.no_grad():
        prior.location.normal_()
        prior.log_scale.normal_()
    channels = [model.latent_parts[k][0] for k in learned]
    assert prior.location.shape == prior.log_scale.shape == (sum(channels),)
    x = torch.randn(5, *model.event_shape, dtype=torch.float64)
    z, log_det = model(x)
    total, numbers = log_det, torch.stack([prior.location, prior.log_scale]).split(channels, 1)
    for k, part in enumerate(torch.split(z, [math.prod(p) for p in model.latent_parts], 1)):
        image = part.reshape(5, *model.latent_parts[k])
        location, log_scale = numbers[learned.index(k)] if k in learned else torch.zeros(2, image.shape[1])
        for c in range(image.shape[1]):
            normal = torch.distributions.Normal(location[c], log_scale[c].exp())
            total = total + normal.log_prob(image[:, c]).flatten(1).sum(1)
    assert worst(model.log_prob(x), total) <= 1e-12
    drawn = model.prior.draw((40_000,), x)
    wanted = torch.stack([prior.by_part(prior.location), prior.by_part(prior.log_scale)])
    own = torch.cat([drawn.split([math.prod(p) for p in model.latent_parts], 1)[k] for k in learned], 1)
    assert worst((own.mean(0) - wanted[0]) / wanted[1].exp(), torch.zeros(own.shape[1])) <= 0.03
    assert worst(own.std(0).log(), wanted[1]) <= 0.03


@pytest.mark.parametrize("text", [TWO, THREE, CHANNELS, BESIDE])
def test_batch_shapes_samples_and_distributions(text: str) -> None:
    _, model = made(text)
    event, size = tuple(model.event_shape), math.prod(model.event_shape)
    x = torch.randn(2, 3, *event, dtype=torch.float64)
    z, log_det = model(x)
    assert z.shape == (2, 3, size) and log_det.shape == (2, 3)
    assert model.inverse(z)[0].shape == x.shape
    assert worst(model(x[1, 2])[0], z[1, 2]) <= 1e-14
    assert model.log_prob(x).shape == (2, 3)
    with pytest.raises(ValueError, match=rf"z has shape \[2, {size - 1}\], but must end in \[{size}\]"):
        model.inverse(torch.zeros(2, size - 1, dtype=torch.float64))
    assert model.sample((4, 2)).shape == (4, 2, *event) and model.sample().shape == event
    drawn, scores = model.sample_and_log_prob((3,))
    assert drawn.shape == (3, *event) and worst(scores, model.log_prob(drawn)) == 0.0
    model.rsample(2).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    density, transform = model.distribution(), model.transform()
    assert density.event_shape == event and density.batch_shape == ()
    assert density.rsample((5,)).shape == (5, *event)
    assert worst(density.log_prob(x), model.log_prob(x)) <= 1e-12
    assert transform.forward_shape(x.shape) == z.shape and transform.inverse_shape(z.shape) == x.shape
    assert torch.equal(transform(x), z) and worst(transform.log_abs_det_jacobian(x, z), log_det) <= 1e-14
    assert [path for path, _, _ in model.trace(x[0])] == [name for name in "abc" if hasattr(model, name)]


def test_samples_are_the_inverse_of_noise() -> None:
    """With the same generator, noise drawn as one flat tensor gives the same samples."""
    _, model = made(THREE)
    torch.manual_seed(3)
    drawn = model.sample((6,))
    torch.manual_seed(3)
    assert torch.equal(drawn, model.inverse(torch.randn(6, 32, dtype=torch.float64))[0])


def test_float32() -> None:
    _, wide = made(THREE)
    _, model = made(THREE, torch.float32)
    x = torch.randn(4, 1, 8, 4)
    z, log_det = model(x)
    assert z.dtype == log_det.dtype == torch.float32
    assert worst(z.double(), wide(x.double())[0]) <= 1e-5 and worst(log_det.double(), wide(x.double())[1]) <= 1e-5
    assert worst(model.inverse(z)[0], x) <= 1e-4
    assert model.sample(2).dtype == torch.float32


def test_sizes_that_are_given_late() -> None:
    text = "layer A on Vec[D] ensures invertible { param s : scale with diag > 0  map x -> s * x }\n"
    model = mintdsl.loads(f"mint 1\n{text}flow F on Vec[D] {{ A  factor half  A }}").compile("F")
    assert model((6,)).latent_parts == ((3,), (3,))
    with pytest.raises(ValueError, match="7"):
        model((7,))


def test_labels_that_the_class_needs_itself() -> None:
    text = "layer A on Vec[D] ensures invertible { param s : scale with diag > 0  map x -> s * x }\nflow F on Vec[4] {"
    model = compile_text(HEAD + text + " repeat 2 { parts: A  part: A }  factor half  latent_parts: A }").build()
    x = torch.randn(3, 4, dtype=torch.float64)
    assert model.latent_parts == ((2,), (2,)) and isinstance(model.latent_parts_, nn.Module)
    assert worst(model.inverse(model(x)[0])[0], x) <= 1e-12


def test_integers_train_and_come_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    at, _ = made(IMAGES)
    torch.manual_seed(0)
    model = at.build(torch.float32)
    images = (torch.arange(64).reshape(8, 8) // 8).expand(16, 1, 8, 8).to(torch.uint8).clone()
    before = evaluate(model, images, seed=1)
    fit(model, images, settings=TrainSettings(steps=30, batch_size=8, learning_rate=2e-2, seed=0))
    assert evaluate(model, images, seed=1) < before
    model.eval()
    with torch.no_grad():
        x = (images.float() + 0.5) / 8
        z = model(x)[0]
        assert z.shape == (16, 64)
        again = (model.inverse(z)[0] * 8).floor().to(torch.uint8)
        samples = model.sample((16,))
    assert torch.equal(again, images)
    assert samples.shape == (16, 1, 8, 8) and samples.dtype == torch.int64 and 0 <= samples.min() <= samples.max() < 8
    picture([("data", images * 32), ("again", again * 32), ("samples", samples * 32)], tmp_path / "rows.png", columns=8)
    assert (tmp_path / "rows.png").stat().st_size > 0


def test_boxes_give_a_density_and_no_samples() -> None:
    model = compile_text(HEAD + "flow F on Vec[4] { factor half  logit(0.05)  prior normal }").build()
    x = torch.full((2, 4), 0.25, dtype=torch.float64)
    assert torch.isfinite(model.log_prob(x)).all()
    with pytest.raises(RuntimeError, match="injective, but not onto, so it cannot sample: a part leaves for all of"):
        model.sample(1)
