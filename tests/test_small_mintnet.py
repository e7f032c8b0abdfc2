"""The promise on small MintNets: triangular exactly, log-det exact, inverse tested, also after training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import mintdsl
from mintdsl.data import load
from mintdsl.resources import resource
from mintdsl.train import TrainSettings, evaluate, fit
from mintdsl.train.loop import silent

SMALL = """mint 1
import "mintnet/mint.mint" { Mint, MintPair }
flow Small(K: Nat = 4) on Image[2, 4, 4] ensures invertible {
  dequantize 256
  logit(0.05)
  repeat 2 { MintPair(K = K) }
  squeeze 2
  MintPair(K = K / 2)
  prior normal
}
"""


def flow(dtype: torch.dtype, spread: float) -> nn.Module:
    torch.manual_seed(1)
    model = mintdsl.loads(SMALL).compile("Small")(dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return model


def dense(model: nn.Module, x: Tensor) -> Tensor:
    """The dense Jacobian at one event."""
    size = x.numel()
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0].flatten(), x[None])
    return jacobian.reshape(size, size).detach()


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_log_det_is_that_of_the_dense_jacobian(spread: float) -> None:
    model = flow(torch.float64, spread)
    x = torch.rand(2, 4, 4, dtype=torch.float64)
    assert float(model(x)[1].detach()) == pytest.approx(float(torch.linalg.slogdet(dense(model, x))[1]), abs=1e-9)


@pytest.mark.parametrize("tri", ["lower", "upper"])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_layer_is_exactly_triangular_in_channel_major_order(tri: str, spread: float) -> None:
    layer_class = mintdsl.loads(SMALL.replace("flow Small", "flow Other")).compile("Mint")
    torch.manual_seed(2)
    layer = layer_class((2, 4, 4), 3, tri, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    x = torch.randn(2, 4, 4, dtype=torch.float64)
    jacobian = dense(layer, x)  # flattened in channel-major order
    outside = jacobian.triu(1) if tri == "lower" else jacobian.tril(-1)
    assert bool((outside == 0).all())
    assert bool((jacobian.diagonal() > 0).all())
    torch.testing.assert_close(layer.jacobian_diagonal(x).flatten(), jacobian.diagonal(), rtol=1e-12, atol=1e-12)
    assert float(layer(x)[1].detach()) == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), abs=1e-9)
    y = layer(x)[0].detach()
    assert float((layer.inverse(y)[0] - x).detach().abs().max()) < 1e-9


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_round_trip_in_float64(spread: float) -> None:
    model = flow(torch.float64, spread)
    x = torch.rand(8, 2, 4, 4, dtype=torch.float64)
    z, log_det = model(x)
    back, inverse_log_det = model.inverse(z.detach())
    residuals = [m.last_inverse.residual.max() for m in model.modules() if hasattr(m, "last_inverse")]
    assert float(max(residuals)) <= 1e-11
    assert float((back - x).detach().abs().max()) < 1e-9
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=0, atol=1e-8)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_round_trip_in_float32(spread: float) -> None:
    model = flow(torch.float32, spread)
    x = torch.rand(8, 2, 4, 4)
    back, _ = model.inverse(model(x)[0])
    assert float((back - x).detach().abs().max()) < 1e-4


@pytest.mark.slow
def test_round_trip_after_training_on_real_images() -> None:
    torch.manual_seed(0)
    model = mintdsl.load("specs/mintnet/mnist_small.mint").compile("MnistSmall", K=16)()
    images, held_out = load("embedded").images, load("embedded", "test").images[:32]
    before = evaluate(model, held_out)
    fit(model, images, settings=TrainSettings(steps=25, batch_size=16, learning_rate=5e-3), progress=silent)
    after = evaluate(model, held_out)
    assert after < before - 0.5
    x = (held_out.float() + 0.5) / 256
    with torch.no_grad():
        back, _ = model.inverse(model(x)[0])
        wide = model.double()
        back_wide, _ = wide.inverse(wide(x.double())[0])
    assert float((back - x).abs().max()) < 1e-4
    assert float((back_wide - x.double()).abs().max()) < 1e-9


def test_an_unreachable_tolerance_names_the_layer() -> None:
    model = flow(torch.float64, 0.3)
    z = model(torch.rand(2, 2, 4, 4, dtype=torch.float64))[0].detach()
    with pytest.raises(RuntimeError, match=r"MintPair_1\.Mint_1"):
        model.inverse(z, tol=1e-30)


def test_injective_only_keeps_its_density_and_refuses_to_sample() -> None:
    text = """mint 1
layer Squash on Vec[D] ensures diag > 0, injective { map x -> tanh(x) }
flow Injective on Vec[3] ensures injective { Squash  prior normal }
"""
    model = mintdsl.loads(text).compile("Injective")(dtype=torch.float64)
    assert model.log_prob(torch.zeros(2, 3, dtype=torch.float64)).shape == (2,)
    with pytest.raises(RuntimeError, match="not onto"):
        model.sample(4)


MISTAKES = {
    "tie": ("  tie diag(W3[i]) * diag(W2[i, j]) * diag(W1[j]) >= 0\n", "", "E0404", "tie"),
    "t": ("with diag >= 1e-12 via abs", "", "E0401", "values in"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_mint_layer_without_one_of_its_constraints(mistake: str) -> None:
    old, new, code, word = MISTAKES[mistake]
    text = (resource("specs") / "mintnet" / "mint.mint").read_text(encoding="utf-8")
    report = mintdsl.loads(text.replace(old, new)).check()
    assert text.replace(old, new) != text and not report.ok
    (diagnostic,) = {d.code: d for d in report.diagnostics}.values()
    assert diagnostic.code == code
    assert word in " ".join(
        [diagnostic.title, *(label.text for label in diagnostic.labels), *(f.title for f in diagnostic.fixes)]
    )
