from __future__ import annotations

import pickle
from functools import partial

import pytest
import torch

from mintdsl.runtime import activations as a
from mintdsl.runtime.activations import Activation

NAMES = ["identity", "elu", "relu", "softplus", "tanh", "sigmoid", "exp", "log", "abs", "gelu", "silu", "sin"]
ALL = {name: Activation(getattr(a, f"{name}_value"), getattr(a, f"{name}_slope"), 1.0, name) for name in NAMES}
ALL["leaky_relu"] = Activation(partial(a.leaky_relu_value, a=0.1), partial(a.leaky_relu_slope, a=0.1), 1.0, "leaky")


@pytest.mark.parametrize("name", list(ALL))
def test_slope_is_the_derivative(name: str) -> None:
    h = ALL[name]
    v = torch.cat([torch.linspace(-30, 30, 241), torch.randn(200)]).double()
    v = (v.abs() + 1e-3 if name == "log" else v[v != 0]).requires_grad_()
    (expected,) = torch.autograd.grad(h.value(v).sum(), v, create_graph=True)
    slope = h.slope(v)
    torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-13)
    if slope.requires_grad and expected.requires_grad:  # log-dets are trained through slopes
        (second,) = torch.autograd.grad(slope.sum(), v)
        (expected_second,) = torch.autograd.grad(expected.sum(), v)
        torch.testing.assert_close(second, expected_second, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extremes(name: str, dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    sizes = torch.tensor(
        [0.0, info.smallest_normal * info.eps, 1e-6, 1.0, 40.0, 104.0, 800.0, 1e10, info.max], dtype=dtype
    )
    v = torch.cat([sizes, -sizes]).requires_grad_()
    slope = ALL[name].slope(v)
    assert not torch.isnan(slope).any()
    if name not in ("exp", "log"):
        assert torch.isfinite(slope).all() and torch.isfinite(ALL[name].value(v)).all()
        if slope.requires_grad:
            (3.0 * slope).sum().backward()
            assert v.grad is not None and torch.isfinite(v.grad).all()


def test_relative_precision_of_small_slopes() -> None:
    v = torch.linspace(-40, 40, 81)
    for name in ("tanh", "sigmoid", "elu", "softplus"):
        exact = ALL[name].slope(v.double())
        assert ((ALL[name].slope(v).double() - exact) / exact).abs().max() < 1e-5


def test_kinks_take_the_limit_from_the_left() -> None:
    zero = torch.zeros(1)
    assert [ALL[n].slope(zero).item() for n in ("relu", "leaky_relu", "abs", "elu")] == pytest.approx([0, 0.1, -1, 1])


def test_pickle() -> None:
    for h in ALL.values():
        again = pickle.loads(pickle.dumps(h))
        torch.testing.assert_close(again.slope(torch.ones(2)), h.slope(torch.ones(2)))
