"""Layers that apply others: what of the inner one reaches the outer module, its calls and its messages."""

from __future__ import annotations

import pytest
import torch
from applied_programs import APPLIED
from codegen_oracle import compile_text, compiled, dense_jacobian, draw, worst
from codegen_programs import HEAD

import mintdsl
from mintdsl.resources import resource
from mintdsl.verify import verify

torch.set_num_threads(1)

STIFF = """mint 1
layer Own on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag >= 0.1
  map x -> W(x) + tanh(x)
}
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, Own(Own(b)) + a)
  }
}
flow F on Vec[4] ensures invertible { A  prior normal }
"""


def test_each_application_has_parameters_of_its_own() -> None:
    model = compiled("applied_in_a_coupling").build()
    keys = {key.partition(".")[0] for key in model.state_dict()}
    assert keys == {"n", "Mint_0", "Mint_1"}
    assert (model.Mint_0.tri, model.Mint_1.tri) == ("lower", "upper") and model.Mint_0.event_shape == (1, 2, 3)


def test_the_inverse_has_the_gradients_of_the_inverse() -> None:
    at = compiled("applied_in_a_coupling")
    model, z = draw(at.build()), torch.randn(2, *at.shape, dtype=torch.float64)
    x = model.inverse(z)[0]
    for one, place in zip(z, x, strict=True):
        back = torch.autograd.functional.jacobian(lambda v: model.inverse(v[None])[0][0], one).reshape(12, 12)
        assert worst(back @ dense_jacobian(model, place.detach()), torch.eye(12, dtype=torch.float64)) <= 1e-8
    (grad,) = torch.autograd.grad(x.square().sum(), model.Mint_0.b3, retain_graph=True)
    step = 1e-6
    with torch.no_grad():
        model.Mint_0.b3[0] += step
        more = model.inverse(z)[0].square().sum()
        model.Mint_0.b3[0] -= 2 * step
        less = model.inverse(z)[0].square().sum()
    assert abs((more - less) / (2 * step) - grad[0]) <= 1e-5 * (1 + abs(grad[0]))


def test_tolerance_and_steps_reach_the_inner_layer() -> None:
    at = compile_text(STIFF)
    model = draw(at.build())
    with torch.no_grad():
        z = torch.tensor([[0.0, 0.0, 0.9, -0.7]], dtype=torch.float64)
        x, _ = model.inverse(z)
        assert worst(model(x)[0], z) <= 1e-10
        loose, _ = model.inverse(z, tol=0.5)
        assert worst(loose, x) > 1e-3
        with pytest.raises(RuntimeError, match=r"A_0\.Own_1"):
            model.inverse(z, max_iter=1)
        steps, _ = model.inverse(z, fixed=(1, 1.0))
        assert worst(steps, x) > 1e-3


def test_what_is_assumed_of_an_inner_layer_is_tested_by_the_outer_one() -> None:
    at = compiled("applied_raw")
    model = draw(at.build())
    layer = model.A_0
    for text in (type(model).__doc__, type(layer).__doc__):
        assert text is not None and text.count("diag(s) != 0 of Raw") == 1
    model.check_assumptions()
    layer.check_assumptions()
    good = {key: value.clone() for key, value in layer.state_dict().items()}
    bad = good | {"Raw_1.s": torch.tensor([1.0, 0.0], dtype=torch.float64)}
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    with pytest.raises(ValueError, match="diag\\(s\\)"):
        layer.load_state_dict(bad | {"Raw_0.s": good["Raw_0.s"] + 1})
    assert all(torch.equal(before[key], value) for key, value in layer.state_dict().items())
    with torch.no_grad():
        layer.Raw_1.s[1] = 0.0
    z = torch.ones(1, 4, dtype=torch.float64)
    for call in (layer.check_assumptions, model.check_assumptions, lambda: layer.inverse(z), lambda: model.inverse(z)):
        with pytest.raises(ValueError, match="diag\\(s\\)"):
            call()


def test_statistics_of_an_inner_layer_hold_in_evaluation_only() -> None:
    at = compiled("applied_statistics")
    model, z = draw(at.build()), torch.ones(3, 4, dtype=torch.float64)
    assert "in evaluation mode" in type(model.A_0).__doc__ and "in evaluation mode" in type(model.B_0).__doc__
    model.train()
    for call in (lambda: model.A_0.inverse(z), lambda: model.B_0.inverse(z), lambda: model.log_prob(z)):
        with pytest.raises(RuntimeError, match="eval"):
            call()
    model.eval()
    assert worst(model.A_0(model.A_0.inverse(z)[0])[0], z) <= 1e-12


def test_frozen_weights_of_inner_layers() -> None:
    at = compiled("applied_coupling_of_couplings")
    model, x = draw(at.build()), torch.randn(2, *at.shape, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)[0]
        with model.frozen():
            kept = [m.kept_weights for m in model.modules() if hasattr(m, "set_effective")]
            assert len(kept) == 10 and None not in kept
            assert torch.equal(model(x)[0], expected)


def test_dtypes_devices_and_graphs() -> None:
    at = compiled("applied_on_images")
    model, x = draw(at.build()), torch.randn(2, *at.shape, dtype=torch.float64)
    z, log_det = model(x)
    half = at.build(dtype=torch.float32)
    half.load_state_dict(model.state_dict())
    assert worst(half(x.float())[0].double(), z) <= 1e-5
    assert worst(half.inverse(half(x.float())[0])[0].double(), x) <= 1e-3
    meta = at.build(device="meta").to_empty(device="cpu")
    meta.load_state_dict(model.state_dict())  # masks, which are not stored, are made again
    assert torch.equal(meta(x)[0], z) and torch.equal(meta(x)[1], log_det)
    exported = torch.export.export(model, (x,))
    assert worst(exported.module()(x)[0], z) <= 1e-12


@pytest.mark.parametrize("name", ["applied_in_a_coupling", "applied_in_a_composition", "applied_statistics"])
def test_verify_goes_into_applied_layers(name: str) -> None:
    result = verify(mintdsl.loads(HEAD + APPLIED[name]))
    assert result.ok
    assert {row.check for row in result.rows} >= {"value", "jacobian", "log_det", "inverse(forward(x)) = x"}
    if name == "applied_statistics":
        assert any(row.where.startswith("Norm on") for row in result.rows)


def test_the_spec_of_mint_inside_of_a_coupling() -> None:
    program = mintdsl.load(resource("specs") / "std" / "mint_coupling.mint")
    result = verify(program, "MintCoupling")
    assert result.ok and any(row.where.startswith("MintCoupling(K = 2") for row in result.rows)
    model = program.compile("MintCouplings", K=1, width=2)(dtype=torch.float64).eval()
    images = torch.randint(0, 256, (2, 1, 28, 28))
    assert torch.isfinite(model.log_prob(images)).all()
    samples = model.sample(1)
    assert samples.shape == (1, 1, 28, 28) and samples.dtype == torch.int64
