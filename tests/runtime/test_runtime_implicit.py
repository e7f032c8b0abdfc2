from __future__ import annotations

import pytest
import torch
from runtime_layers import ELU, LEAKY, MintLayer, chain_map
from torch import Tensor

from mintdsl.runtime.activations import Activation
from mintdsl.runtime.implicit import implicit_gradient
from mintdsl.runtime.inverse import InversionError, invert_triangular


def inverse(layer: MintLayer, raw: dict[str, Tensor], z: Tensor) -> Tensor:
    m = layer.map(z.dtype, raw)
    x, _, _ = invert_triangular(m, z, fronts=layer.fronts, front_of=lambda: layer.front)
    return implicit_gradient(m, x, z, fronts=layer.fronts)


@pytest.mark.parametrize("h", [ELU, LEAKY], ids=["elu", "leaky"])
@pytest.mark.parametrize("std", [0.1, 0.5])
def test_against_dense_solve_and_finite_differences(h: Activation, std: float) -> None:
    layer = MintLayer((2, 3, 2), 2, std, 1.0, h)
    raw = {key: value.clone().requires_grad_() for key, value in layer.raw.items()}
    x0 = torch.randn(2, *layer.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    z = layer.map().value(x0)[0].requires_grad_()
    weight = torch.randn(2, *layer.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    x = inverse(layer, raw, z)
    torch.testing.assert_close(x.detach(), x0, rtol=1e-8, atol=1e-8)
    (weight * x.sin()).sum().backward()

    g = (weight * x.detach().cos()).flatten(1)
    m = layer.map(raw=raw)
    y, _ = m.value(x.detach())
    for b in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda v: m.value(v)[0], x.detach()[b : b + 1]).reshape(12, 12)
        v = torch.linalg.solve(jacobian.T, g[b])
        assert z.grad is not None
        torch.testing.assert_close(z.grad[b].flatten(), v, rtol=1e-8, atol=1e-10)
    assert z.grad is not None
    direct = torch.autograd.grad(-(y * z.grad).sum(), list(raw.values()))
    for key, expected in zip(raw, direct, strict=True):
        torch.testing.assert_close(raw[key].grad, expected, rtol=1e-8, atol=1e-10)

    def loss(changed: dict[str, Tensor]) -> float:
        with torch.no_grad():
            return (weight * inverse(layer, changed, z.detach()).sin()).sum().item()

    for key in ("W1", "W2", "W3", "b1", "t"):
        # a coordinate away from kinks: the one with the largest gradient
        place = int(raw[key].grad.abs().argmax())  # type: ignore[union-attr]
        values = []
        for step in (1e-5, -1e-5):
            moved = {name: value.detach().clone() for name, value in raw.items()}
            moved[key].view(-1)[place] += step
            values.append(loss(moved))
        slope = (values[0] - values[1]) / 2e-5
        assert raw[key].grad.view(-1)[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-7)  # type: ignore[union-attr]


def test_log_det_at_the_inverse_is_differentiated_in_full() -> None:
    """-log|det| at x(z) has a path through x: compare with finite differences in z."""
    layer = MintLayer((1, 2, 3), 2, 0.5, 1.0)
    z0 = torch.randn(1, *layer.shape, dtype=torch.float64)

    def log_det(z: Tensor) -> Tensor:
        x = inverse(layer, layer.raw, z)
        return -layer.map().value(x)[1].log().sum()

    z = z0.clone().requires_grad_()
    log_det(z).backward()
    for place in range(6):
        step = torch.zeros(6, dtype=torch.float64)
        step[place] = 1e-6
        slope = (log_det(z0 + step.view_as(z0)) - log_det(z0 - step.view_as(z0))).item() / 2e-6
        assert z.grad is not None and z.grad.flatten()[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_wild_weights_in_float32_use_float64() -> None:
    layer = MintLayer((2, 4, 3), 4, 1.0, 0.1)
    m = layer.map(torch.float32)
    x = torch.randn(2, *layer.shape)
    z = m.value(x)[0].requires_grad_()
    g = torch.randn_like(x)
    (implicit_gradient(m, x, z, fronts=layer.fronts) * g).sum().backward()
    wide = layer.map()
    (product,) = torch.autograd.grad(*_graph(wide.value, x.double()), z.grad.double())  # type: ignore[union-attr]
    assert z.grad is not None and torch.isfinite(z.grad).all()
    # J^T v = g: what is left comes from rounding v to float32
    jacobian_size = torch.autograd.functional.jacobian(lambda v: wide.value(v)[0].sum(0), x.double()).abs().sum()
    assert (product - g).abs().max() <= 1e-6 * jacobian_size * z.grad.abs().max()


def _graph(value: object, x: Tensor) -> tuple[Tensor, Tensor]:
    point = x.requires_grad_()
    assert callable(value)
    return value(point)[0], point


def test_quiet_cases() -> None:
    layer = MintLayer((1, 2, 2), 1, 0.3, 1.0)
    m = layer.map()
    z = torch.randn(2, 1, 2, 2, dtype=torch.float64)
    x, _, _ = invert_triangular(m, z, fronts=layer.fronts)
    assert not implicit_gradient(m, x, z, fronts=layer.fronts).requires_grad
    with torch.no_grad():
        assert implicit_gradient(m, x, z.requires_grad_(), fronts=layer.fronts) is x
    empty = torch.zeros(0, 1, 2, 2, dtype=torch.float64, requires_grad=True)
    implicit_gradient(m, empty.detach(), empty, fronts=layer.fronts).sum().backward()
    assert empty.grad is not None and empty.grad.shape == empty.shape
    # a sample that the loss does not read has gradient 0
    implicit_gradient(m, x, z, fronts=layer.fronts)[0].sum().backward()
    assert z.grad is not None and not z.grad[1].any() and z.grad[0].any()


def test_loud_cases() -> None:
    z = torch.ones(1, 3, dtype=torch.float64, requires_grad=True)
    m = chain_map(lambda v: (v, torch.ones_like(v)), 1.0)
    x = implicit_gradient(m, torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64), z, fronts=3)
    with pytest.raises(RuntimeError, match="second derivatives"):
        torch.autograd.grad(x.sum(), z, create_graph=True)
    wrong = chain_map(lambda v: (v, torch.full_like(v, 0.4)), 1.0)  # a diagonal that is not the Jacobian's
    x = implicit_gradient(wrong, torch.zeros(1, 3, dtype=torch.float64), z, fronts=3, name="bad")
    with pytest.raises(InversionError, match="bad: the gradient"):
        x.sum().backward()
