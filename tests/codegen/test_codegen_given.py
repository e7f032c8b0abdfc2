"""Conditional layers and flows: each sample with a context of its own, against the interpreter and autograd."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from codegen_oracle import Compiled, compile_text, draw, near_initial, reference, worst
from torch import Tensor, nn

import mintdsl

torch.set_num_threads(1)

HEAD = """mint 1
net Made(width: Nat) from Vec[D], Vec[M] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V : linear lower from Vec[D] to Hid
  param Vm, Va : linear strict lower from Hid to Vec[D]
  param U : linear from Vec[M] to Hid
  map x, c {
    let u = tanh(V(x) + U(c))
    return (Vm(u), Va(u))
  }
}
layer Maf(width: Nat = 5) on Vec[D] given c : Vec[M] ensures lower, diag > 0, invertible {
  param n : net Made(width = width) from Vec[D], Vec[M] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x, c)
    return (x - m) * exp(-a)
  }
}
layer Cond on Vec[D] given c : Vec[M] ensures lower, diag > 0, invertible {
  space Half = Vec[D / 2]
  param V : linear from Vec[M] to Half
  param W : linear on Half
  map x {
    let (a, b) = split(x, halves)
    let s = tanh(W(a) + V(c))
    return join(a + V(c), b * exp(s) + V(c))
  }
}
layer Curved on Vec[D] given c : Vec[M] ensures upper, diag > 0, invertible {
  param A, B : linear upper
  param U : linear from Vec[M] to Vec[D]
  param t : scale with diag >= 0.2
  tie diag(A) * diag(B) >= 0
  map x -> t * x + A(elu(B(x) + U(c))) + sin(U(c))
}
layer Res on Vec[D] given c : Vec[M] ensures invertible {
  param V, W : linear with lip <= 0.8
  param U : linear from Vec[M] to Vec[D]
  map x -> x + V(softplus(W(x) + U(c))) - U(c)
}
layer Same on S given c : S ensures diag > 0, invertible { map x -> x * exp(0.3 * c) + c }
layer Turn on Image[C, H, W] given c : Image[M, H, W] ensures invertible {
  param P : perm
  param W : conv 1x1 with det != 0 via qr
  param U : conv 3x3 from Image[M, H, W] to Image[C, H, W]
  map x -> W(P(x)) * exp(tanh(U(c))) + U(c)
}
layer Inner on Vec[D] given c : Vec[M] ensures invertible {
  param s : scale with diag > 0
  map x -> s * Curved(Maf(x)) - 1
}
layer Parts on Vec[D] given c : Vec[M] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(Inner(a), Maf(Maf(b) * exp(tanh(a)) + a))
  }
}
layer Grey on Image[C, H, W] ensures lower, diag > 0, invertible {
  param t : scale with diag > 0
  map x -> t * x
}
"""
PROGRAMS = {
    "autoregressive": "flow F on Vec[4] given c : Vec[3] ensures invertible { Maf  reverse  Maf  prior normal }",
    "coupling": "flow F on Vec[4] given c : Vec[3] ensures invertible { Cond  reverse  Cond  prior normal }",
    "curved": "flow F on Vec[4] given c : Vec[3] ensures invertible { repeat 2 { Curved } prior normal }",
    "same": "flow F on Vec[4] given c : Vec[4] ensures invertible { Same  Curved  Same  prior normal }",
    "image": """flow F on Image[2, 3, 2] given c : Image[1, 3, 2] ensures invertible {
      repeat 2 { Turn  Grey } prior normal }""",
    "residual": """flow F on Vec[4] given c : Vec[3] ensures invertible {
      Res log_det exact  reverse  Res log_det exact  prior normal }""",
    "applied": "flow F on Vec[4] given c : Vec[3] ensures invertible { Parts  reverse  Inner  prior normal }",
    "inside": """flow In on Vec[D] given c : Vec[M] ensures invertible { Maf  reverse }
      flow F on Vec[4] given c : Vec[3] ensures invertible { repeat 2 { In } Cond  prior normal }""",
}


def made(name: str, seed: int = 0) -> tuple[Compiled, nn.Module, Tensor, Tensor]:
    """A program, its module, and x and contexts for three samples."""
    at = compile_text(HEAD + PROGRAMS[name])
    assert at.given is not None
    torch.manual_seed(seed)
    x, c = torch.randn(3, *at.shape, dtype=torch.float64), torch.randn(3, *at.given.dims, dtype=torch.float64)
    return at, near_initial(at.build(), seed), x, c


@pytest.mark.parametrize("name", PROGRAMS)
def test_value_jacobian_and_log_det_with_a_context_for_each_sample(name: str) -> None:
    at, model, x, c = made(name)
    for step in range(2):
        known = reference(at, model, x, c)
        z, log_det = model(x, c)
        assert worst(z.flatten(1), known.value) < 1e-12 and worst(log_det, known.log_det) < 1e-11
        for k in range(len(x)):
            dense = torch.autograd.functional.jacobian(lambda v, k=k: model(v, c[k])[0], x[k])
            assert worst(dense.reshape(x[k].numel(), -1), known.jacobian[k]) < 1e-12
        if not step:
            draw(model, 3)  # far from the identity


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_inverse_uses_the_context_of_each_sample(name: str) -> None:
    _, model, x, c = made(name)
    with torch.no_grad():
        z, log_det = model(x, c)
        back, minus = model.inverse(z, c)
    assert worst(back, x) < 1e-9 and worst(minus, -log_det) < 1e-9
    assert worst(model.inverse(z[1], c[1])[0], x[1]) < 1e-9
    assert worst(model.inverse(z, c.flip(0))[0], x) > 1e-3


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_reach_context_and_parameters_through_the_inverse(name: str) -> None:
    _, model, x, c = made(name)
    z = model(x, c)[0].detach()
    c = c.clone().requires_grad_()
    parameters = list(model.parameters())
    weights = torch.randn_like(x)
    found = torch.autograd.grad((model.inverse(z, c)[0] * weights).sum(), [c, *parameters], allow_unused=True)
    h, at = 1e-6, (1, *[0] * (c.dim() - 1))
    with torch.no_grad():
        ends = []
        for sign in (1, -1):
            moved = c.clone()
            moved[at] += sign * h
            ends.append(float((model.inverse(z, moved, tol=1e-13)[0] * weights).sum()))
    assert math.isclose(float(found[0][at]), (ends[0] - ends[1]) / (2 * h), rel_tol=1e-4, abs_tol=1e-6)
    assert all(g is not None for g in found)


def test_the_steps_that_miss_the_tolerance_keep_the_context_of_their_samples() -> None:
    at = compile_text(HEAD + "flow F on Vec[6] given c : Vec[2] ensures invertible { Curved  prior normal }")
    model = draw(at.build(), 1, std=2.0)  # Algorithm 1 leaves samples one by one, and the sweeps take the rest
    torch.manual_seed(2)
    x, c = 4 * torch.randn(40, 6, dtype=torch.float64), 4 * torch.randn(40, 2, dtype=torch.float64)
    with torch.no_grad():
        z, _ = model(x, c)
        back, _ = model.inverse(z, c)
        assert float(((model(back, c)[0] - z).abs() / (1 + z.abs())).max()) < 1e-11


def test_leading_dimensions_are_broadcast() -> None:
    _, model, x, c = made("autoregressive")
    whole, log_det = model(x[:, None], c)
    assert whole.shape == (3, 3, 4) and log_det.shape == (3, 3)
    for i in range(3):
        for j in range(3):
            assert worst(whole[i, j], model(x[i], c[j])[0]) < 1e-14
    assert worst(model(x, c[0])[0][2], model(x[2], c[0])[0]) < 1e-14
    assert model(x[:0], c[0])[0].shape == (0, 4)


def test_density_and_samples_of_a_conditional_flow() -> None:
    _, model, x, c = made("autoregressive")
    z, log_det = model(x, c)
    normal = -(z**2).sum(1) / 2 - 2 * math.log(2 * math.pi)
    assert worst(model.log_prob(x, c), normal + log_det) < 1e-12
    assert model.sample((5,), c).shape == (5, 3, 4) and model.sample((), c[0]).shape == (4,)
    y, log_prob = model.sample_and_log_prob((5,), c)
    assert y.shape == (5, 3, 4) and worst(log_prob, model.log_prob(y, c)) < 1e-12
    torch.manual_seed(0)
    noise = model(model.sample((2000,), c), c)[0].detach()
    assert float(noise.mean((0, 2)).abs().max()) < 0.06 and float((noise.var((0, 2)) - 1).abs().max()) < 0.1
    flat = noise.reshape(2000, -1)
    assert float((torch.corrcoef(flat.T) - torch.eye(12)).abs().max()) < 0.1  # each context has noise of its own
    density = model.distribution(c)
    assert density.batch_shape == (3,) and density.event_shape == (4,)
    assert density.sample((5,)).shape == (5, 3, 4) and worst(density.log_prob(x), model.log_prob(x, c)) < 1e-12
    assert [path for path, _, _ in model.trace(x, c)] == ["Maf_0", "Maf_1"]


def test_a_density_over_a_grid_integrates_to_one_for_each_context() -> None:
    at = compile_text(
        HEAD + "flow F on Vec[2] given c : Vec[1] ensures invertible { Cond  reverse  Cond  prior normal }"
    )
    model = near_initial(at.build(), 4)
    axis = torch.linspace(-30, 30, 1201, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    for value in (-1.0, 0.5):
        mass = model.log_prob(grid, torch.tensor([value], dtype=torch.float64)).exp().sum() * (axis[1] - axis[0]) ** 2
        assert abs(float(mass.detach()) - 1) < 1e-3


def test_what_does_not_fit_is_said_in_one_sentence() -> None:
    _, model, x, c = made("autoregressive")
    cases = (
        ((x,), r"a context that ends in \[3\] is needed besides x \(<text>:\d+\)"),
        ((x, c[:, :2]), r"context has shape \[3, 2\], but must end in \[3\]"),
        ((x, c[:2]), r"the leading dimensions of x and context, \[3\] and \[2\], do not fit each other"),
        ((x, c.long()), r"context has dtype torch.int64, but must be floating"),
    )
    for arguments, said in cases:
        with pytest.raises(ValueError, match=said):
            model(*arguments)
    with pytest.raises(ValueError, match="a context that ends in"):
        model.sample((2,))
    assert model.context_shape == (3,)


def test_a_layer_is_told_the_shape_of_its_context() -> None:
    cls = mintdsl.loads(HEAD).compile("Maf")
    layer = cls((4,), (3,), width=6, dtype=torch.float64)
    assert layer.context_shape == (3,) and layer(torch.zeros(2, 4).double(), torch.zeros(2, 3).double())[0].shape == (
        2,
        4,
    )
    with pytest.raises(ValueError, match="context_shape has 1 sizes, not 2"):
        cls((4,), (3, 2), width=6)
    turned = mintdsl.loads(HEAD).compile("Turn")
    with pytest.raises(ValueError, match="size 1 of context_shape is 4, but must be 3"):
        turned((2, 3, 2), (1, 4, 2))
    assert mintdsl.loads(HEAD).compile("Same")((2, 3)).context_shape == (2, 3)


def test_float32_deepcopy_and_states() -> None:
    at, model, x, c = made("curved")
    narrow = copy.deepcopy(model).float()
    z, _ = narrow(x.float(), c.float())
    assert worst(z.double(), model(x, c)[0]) < 1e-5
    assert worst(narrow.inverse(z, c.float())[0].double(), x) < 1e-3
    other = at.build()
    other.load_state_dict(model.state_dict())
    assert worst(other(x, c)[0], model(x, c)[0]) == 0
