"""Masked autoregressive layers and affine couplings with the weights of zuko, nflows and normflows: the same numbers.

Outputs, log-dets and inverses of both directions, within 1e-12 in float64 and 1e-6 in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from conftest import Library
from torch import Tensor, nn

import mintdsl

D, HIDDEN = 6, 15
Map = Callable[[Tensor], tuple[Tensor, Tensor]]

MADE = """mint 1
net Made(width: Nat) from Vec[D] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V1     : linear lower        from Vec[D] to Hid
  param V2     : linear lower        on Hid
  param Vm, Va : linear strict lower from Hid to Vec[D]
  param b1, b2 : bias on Hid
  param bm, ba : bias on Vec[D]
  map x {
    let u = relu(V1(x) + b1)
    let v = relu(V2(u) + b2)
    return (Vm(v) + bm, Va(v) + ba)
  }
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Made(width = 15) from Vec[D] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x)
    return x * SCALE + m
  }
}
"""
COUPLING = """mint 1
net Mlp(width: Nat) from Vec[D] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V1     : linear from Vec[D] to Hid
  param Vm, Va : linear from Hid to Vec[D]
  param b1     : bias on Hid
  param bm, ba : bias on Vec[D]
  map x {
    let u = relu(V1(x) + b1)
    return (Vm(u) + bm, Va(u) + ba)
  }
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  space Half = Vec[D / 2]
  param n : net Mlp(width = 15) from Half to (Half, Half)
  map x {
    let (b, c) = split(x, halves)
    let (m, a) = n(b)
    return join(b, c * SCALE + m)
  }
}
"""
SOFT = "exp(a / (1 + abs(a) / 6.907755278982137))"  # zuko: no steeper than 1e-3 to 1e3


class Other(NamedTuple):
    """A transform of another library: both directions, its linear layers, and which rows of the last are shifts."""

    forward: Map
    inverse: Map
    layers: list[nn.Linear]
    shifts: slice
    scales: slice
    scale: str


def linears_of(module: nn.Module) -> list[nn.Linear]:
    """Its linear layers: zuko has a class of its own for them."""
    return [m for m in module.modules() if getattr(getattr(m, "weight", None), "ndim", 0) == 2]  # type: ignore[misc]


def affine_in_zuko(library: Library, *, coupling: bool) -> Other:
    zuko = library("zuko")
    if coupling:
        mask = torch.arange(D) < D // 2
        made = zuko.flows.GeneralCouplingTransform(D, mask=mask, hidden_features=(HIDDEN,)).double()
    else:
        made = zuko.flows.MaskedAutoregressiveTransform(D, hidden_features=(HIDDEN, HIDDEN)).double()

    def inverse(z: Tensor) -> tuple[Tensor, Tensor]:
        x = made().inv(z)
        return x, -made().log_abs_det_jacobian(x, z)

    linears = linears_of(made.hyper)
    return Other(lambda x: made().call_and_ladj(x), inverse, linears, slice(0, None, 2), slice(1, None, 2), SOFT)


def masked_in_nflows(library: Library) -> Other:
    cls = library("nflows.transforms.autoregressive").MaskedAffineAutoregressiveTransform
    made = cls(D, HIDDEN, num_blocks=1, use_residual_blocks=False).double()
    linears = linears_of(made)
    scale = "(softplus(a) + 0.001)"
    return Other(made, made.inverse, linears, slice(1, None, 2), slice(0, None, 2), scale)


def masked_in_normflows(library: Library) -> Other:
    cls = library("normflows").flows.MaskedAffineAutoregressive
    made = cls(D, HIDDEN, num_blocks=1, use_residual_blocks=False).double()
    linears = linears_of(made)
    scale = "(sigmoid(a + 2) + 0.001)"
    return Other(made, made.inverse, linears, slice(1, None, 2), slice(0, None, 2), scale)


def coupling_in_nflows(library: Library) -> Other:
    cls = library("nflows.transforms.coupling").AffineCouplingTransform

    class Mlp(nn.Sequential):
        def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
            return super().forward(x)

    half = D // 2
    mask = (torch.arange(D) >= half).int()
    made = cls(mask, lambda i, o: Mlp(nn.Linear(i, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, o))).double()
    linears = linears_of(made)
    scale = "(sigmoid(a + 2) + 0.001)"
    return Other(made, made.inverse, linears, slice(0, half), slice(half, None), scale)


def coupling_in_normflows(library: Library) -> Other:
    nf, half = library("normflows"), D // 2
    net = nn.Sequential(nn.Linear(half, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, D)).double()
    made = nf.flows.AffineCoupling(net, scale_map="exp")

    def cut(way: Callable[[list[Tensor]], tuple[list[Tensor], Tensor]]) -> Map:
        def both(x: Tensor) -> tuple[Tensor, Tensor]:
            parts, log_det = way(list(x.chunk(2, 1)))
            return torch.cat(parts, 1), log_det

        return both

    linears = linears_of(made)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    return Other(cut(made.forward), cut(made.inverse), linears, even, odd, "exp(a)")


OTHERS: dict[str, tuple[str, Callable[[Library], Other]]] = {
    "masked, zuko": (MADE, lambda library: affine_in_zuko(library, coupling=False)),
    "masked, nflows": (MADE, masked_in_nflows),
    # it has no activation behind the first layer unless its blocks are residual
    "masked, normflows": (MADE.replace("relu(V1(x) + b1)", "V1(x) + b1"), masked_in_normflows),
    "coupling, zuko": (COUPLING, lambda library: affine_in_zuko(library, coupling=True)),
    "coupling, nflows": (COUPLING, coupling_in_nflows),
    "coupling, normflows": (COUPLING, coupling_in_normflows),
}


@torch.no_grad()
def with_weights(text: str, other: Other) -> nn.Module:
    """Our layer, with the numbers of the other one."""
    for p in (p for linear in other.layers for p in linear.parameters()):
        p.normal_(std=0.4)
    ours = mintdsl.loads(text.replace("SCALE", other.scale)).compile("A")((D,), dtype=torch.float64).eval()
    state = {}
    for name, linear in zip(("1", "2"), other.layers[:-1], strict=False):
        mask = getattr(linear, "mask", 1.0)
        state |= {f"n.V{name}": linear.weight * mask, f"n.b{name}": linear.bias}
    last = other.layers[-1]
    weight = last.weight * getattr(last, "mask", 1.0)
    for name, rows in (("m", other.shifts), ("a", other.scales)):
        state |= {f"n.V{name}": weight[rows], f"n.b{name}": last.bias[rows]}
    assert set(state) == set(ours.state_dict())
    ours.load_state_dict(state)
    for key, value in state.items():  # nothing was lost under our masks
        if key.startswith("n.V"):
            place = ours.n.names.index(key.removeprefix("n."))
            assert torch.equal(ours.n.make_weights()[place], value)
    return ours


@pytest.mark.parametrize("name", OTHERS)
def test_the_same_numbers_in_both_directions(name: str, library: Library) -> None:
    torch.manual_seed(0)
    text, build = OTHERS[name]
    other = build(library)
    ours = with_weights(text, other)
    x = torch.randn(7, D, dtype=torch.float64)
    with torch.no_grad():
        z, log_det = other.forward(x)
        found, own = ours(x)
        assert float((found - z).abs().max()) < 1e-12 and float((own - log_det).abs().max()) < 1e-12
        back, minus = other.inverse(z)
        found, own = ours.inverse(z)
        assert float((found - back).abs().max()) < 1e-12 and float((own - minus).abs().max()) < 1e-12
        narrow = ours.float()
        found, own = narrow(x.float())
        scale = 1 + float(z.abs().max())
        assert float((found - z).abs().max()) < 1e-6 * scale and float((own - log_det).abs().max()) < 5e-6
        assert float((narrow.inverse(z.float())[0] - back).abs().max()) < 1e-5


SPLINES = """mint 1
net Made(width: Nat) from Vec[D] to (Bins, Bins, Knots) {
  space Hid   = Vec[width]
  space Bins  = Vec[5 * D] (degrees = own)
  space Knots = Vec[4 * D] (degrees = own)
  param V1     : linear lower        from Vec[D] to Hid
  param V2     : linear lower        on Hid
  param Vw, Vh : linear strict lower from Hid to Bins
  param Vd     : linear strict lower from Hid to Knots
  param b1, b2 : bias on Hid
  param bw, bh : bias (per = element) on Bins
  param bd     : bias (per = element) on Knots
  map x {
    let u = relu(V1(x) + b1)
    let v = relu(V2(u) + b2)
    return (Vw(v) + bw, Vh(v) + bh, Vd(v) + bd)
  }
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Made(width = 15) from Vec[D] to (Vec[5 * D], Vec[5 * D], Vec[4 * D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(x, widths = w, heights = k, slopes = d)
  }
}
"""


def test_autoregressive_splines_are_those_of_nflows(library: Library) -> None:
    torch.manual_seed(0)
    cls = library("nflows.transforms.autoregressive").MaskedPiecewiseRationalQuadraticAutoregressiveTransform
    made = cls(D, HIDDEN, num_bins=5, tails="linear", tail_bound=3.0, num_blocks=1, use_residual_blocks=False).double()
    linears = linears_of(made)
    state = {}
    with torch.no_grad():
        for p in made.parameters():
            p.normal_(std=0.3)
        for name, linear in zip(("1", "2"), linears[:-1], strict=True):
            state |= {f"n.V{name}": linear.weight * linear.mask, f"n.b{name}": linear.bias}
        last = linears[-1]
        rows = {"w": slice(0, 5), "h": slice(5, 10), "d": slice(10, 14)}  # side by side for each element
        for name, some in rows.items():
            state[f"n.V{name}"] = (last.weight * last.mask).reshape(D, 14, HIDDEN)[:, some].flatten(0, 1)
            state[f"n.b{name}"] = last.bias.reshape(D, 14)[:, some].flatten()
    ours = mintdsl.loads(SPLINES).compile("A")((D,), dtype=torch.float64)
    ours.load_state_dict(state)
    x = 2 * torch.randn(9, D, dtype=torch.float64)
    with torch.no_grad():
        z, log_det = made(x)
        found, own = ours(x)
        assert float((found - z).abs().max()) < 1e-12 and float((own - log_det).abs().max()) < 1e-11
        back, minus = made.inverse(z)
        found, own = ours.inverse(z)
        assert float((found - x).abs().max()) < 1e-10 and float((found - back).abs().max()) < 1e-10
        assert float((own - minus).abs().max()) < 1e-9
