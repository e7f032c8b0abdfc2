"""Inverses front by front: layers that are one convolution, against dense solves, the interpreter and the solver."""

from __future__ import annotations

import copy

import pytest
import torch
from codegen_oracle import compile_text, dense_jacobian, draw, reference, source, worst
from torch import Tensor, nn

from mintdsl.codegen.convolution import half_plane

torch.set_num_threads(1)

ORDER = "mint 1\norder cinc = (h + w, -c)\norder pixels = (h + w, h)\n"
FLOW = "flow F on Image[3, 5, 4] ensures invertible { A }"
PROGRAMS = {
    "corner": """
layer A on Image[C, H, W] ensures lower, diag != 0, invertible {
  order cinc
  param k : conv 3x3 lower (anchor = bottom_right) with diag != 0
  param b : bias init normal(std = 0.5)
  map x -> k(x) + b
}""",
    "links": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  param k : conv 2x3 lower (anchor = bottom_right) with diag >= 0.5
  param s, t : scale with diag >= 0.5
  param a, b, c : bias (per = element) init normal(std = 0.5)
  map x {
    let d = tanh(c) - 0.3
    let u = (x - b) / s
    return -(a - k(u) * t) * 2 + d
  }
}""",
    "raster": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param k : conv 3x3 lower with diag >= 0.5
  map x -> k(x)
}""",
    "upper": """
layer A on Image[C, H, W] ensures upper, diag > 0, invertible {
  param k : conv 3x5 upper with diag >= 0.5
  param b : bias
  map x -> 2 - (b - k(x))
}""",
    "formal": """
layer B(tri: Dir, o: Order) on Image[C, H, W] ensures tri, diag != 0, invertible {
  order o
  param k : conv 2x2 tri (anchor = corner) with diag != 0
  map x -> k(x)
}
flow A on Image[C, H, W] ensures invertible {
  B(tri = lower, o = cinc)  B(tri = upper, o = cinc)  B(tri = upper, o = raster)
}""",
    "sum": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  param t : scale (per = channel) with diag >= 1
  param r : scale (per = channel) with diag >= 0.2
  param V : conv 3x2 strict lower (anchor = bottom_right)
  param W : conv 1x3 lower (anchor = bottom_right) with diag >= 0
  param b, c : bias init normal(std = 0.5)
  map x {
    let e = exp(r)
    return t * x - (V(x) - c - 2 * W(x) / e) + b
  }
}""",
    "family": """
layer A(K: Nat = 2) on Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  index i, j : K
  param t : scale (per = channel) with diag >= 0.5
  param V[i, j] : conv 2x2 lower (anchor = bottom_right) with diag >= 0
  param b : bias
  map x -> t * x + sum[i, j](V[i, j](x)) + b
}""",
    "strict": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param t : scale (per = channel) with diag >= 0.5
  param V : conv 3x3 strict lower
  param b : bias
  map x -> (t * x + V(x)) / 2 + b
}""",
    "mixed": """
layer A on Image[C, H, W] ensures diag > 0, invertible {
  order pixels
  param V : conv 2x1 lower (anchor = bottom_right) with diag >= 0.5
  param W : conv 1x2 upper (anchor = top_left) with diag >= 0.5
  map x -> V(x) + W(x)
}""",
    "dilated": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  param k : conv 2x3 lower (anchor = bottom_right, dilation = (2, 1)) with diag >= 0.5
  map x -> k(x)
}""",
    "dilated_sum": """
layer A on Image[C, H, W] ensures lower, diag != 0, invertible {
  order corner
  param W : conv 2x2 lower (anchor = bottom_left, dilation = 2) with diag == 1
  param S : conv 3x3 strict lower (anchor = (1, 2), dilation = (1, 2))
  param V : conv 2x2 strict lower (anchor = bottom_right)
  map x -> -W(x) + S(x) - V(x)
}""",
    "given": """
layer A on Image[C, H, W] given y : Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  param k : conv 2x2 lower (anchor = bottom_right) with diag >= 0.5
  map x -> k(x * exp(tanh(y))) + y
}
flow F on Image[3, 5, 4] given y : Image[3, 5, 4] ensures invertible { A }""",
}
# the anchor's own row and column in all directions, by channels before their own: pixels have no fronts
LEFT_ALONE = {
    "channels": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  order channel_major
  param k : conv 3x3 lower with diag >= 0.5
  map x -> k(x)
}""",
    "elements": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  param t : scale with diag >= 0.5
  param k : conv 2x2 lower (anchor = bottom_right) with diag >= 0
  map x -> t * x + k(x)
}""",
    "twice": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  param k, l : conv 2x2 lower (anchor = bottom_right) with diag >= 0.5
  map x -> k(l(x))
}""",
    "bent": """
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  order cinc
  param k : conv 2x2 lower (anchor = bottom_right) with diag >= 0.5
  map x -> k(elu(x) + x)
}""",
}
CALLED = {name: body if "flow F" in body else body + FLOW for name, body in (PROGRAMS | LEFT_ALONE).items()}


def layers_of(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if hasattr(m, "last_inverse")]


def made(name: str, dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor, Tensor | None]:
    at = compile_text(ORDER + CALLED[name])
    model = draw(at.build(dtype), 3, 0.3)
    made = torch.Generator().manual_seed(1)
    x, y = (torch.randn(3, *at.shape, dtype=torch.float64, generator=made).to(dtype) for _ in range(2))
    return model, x, y if at.given is not None else None


@pytest.mark.parametrize("name", PROGRAMS)
def test_substitution_alone_inverts(name: str) -> None:
    model, x, y = made(name)
    layers = layers_of(model)
    assert len(layers) == (3 if name == "formal" else 1)
    given = () if y is None else (y,)
    with torch.no_grad():
        for layer in layers:
            z, log_det = layer(x, *given)
            w = (*layer.effective_weights(), *given)
            assert worst(layer.substituted(z, w), x) < 1e-11
            back, minus = layer.inverse(z, *given)
            assert worst(back, x) < 1e-11 and worst(minus, -log_det) < 1e-11
            assert layer.last_inverse.steps == 0 and float(layer.last_inverse.residual.max()) < 1e-12


@pytest.mark.parametrize("name", PROGRAMS)
def test_inverse_is_that_of_the_dense_jacobian(name: str) -> None:
    model, x, y = made(name)
    layer = layers_of(model)[0]
    z = x.flip(0)
    given = () if y is None else (y[:1],)
    with torch.no_grad():
        bias = layer(torch.zeros_like(x[:1]), *given)[0]
        jacobian = dense_jacobian(lambda v: layer(v, *given), x[0])
        known = torch.linalg.solve(jacobian, (z[:1] - bias).flatten())
        found, log_det = layer.inverse(z[:1], *given)
    assert worst(found.flatten(), known) < 1e-10
    assert worst(log_det[0], -torch.linalg.slogdet(jacobian)[1]) < 1e-10


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n != "given"])
def test_value_and_log_det_are_those_of_the_interpreter(name: str) -> None:
    at = compile_text(ORDER + CALLED[name])
    model, x, _ = made(name)
    known = reference(at, model, x)
    z, log_det = model(x)
    assert worst(z.flatten(1), known.value) < 1e-12 and worst(log_det, known.log_det) < 1e-11


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_other_layers_are_left_to_the_solver(name: str) -> None:
    model, x, _ = made(name)
    assert not hasattr(layers_of(model)[0], "substituted")
    with torch.no_grad():
        assert worst(model.inverse(model(x)[0])[0], x) < 1e-9


@pytest.mark.parametrize("name", ["corner", "links", "sum", "given"])
def test_gradients_of_the_inverse(name: str) -> None:
    model, x, y = made(name)
    layer = layers_of(model)[0]
    given = () if y is None else (y[:2].requires_grad_(),)
    z = layer(x[:2], *(g.detach() for g in given))[0].detach().requires_grad_()
    parameters = [*layer.parameters()]

    def inverse(z: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
        return layer.inverse(z, *others[: len(given)])

    assert torch.autograd.gradcheck(inverse, (z, *given, *parameters), check_undefined_grad=False)


def test_gradients_take_one_transposed_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun with the transposed fronts, the solve for gradients needs two products with J^T: a test and one step."""
    model, x, _ = made("corner")
    layer = layers_of(model)[0]
    z = layer(x)[0].detach().requires_grad_()
    back, _ = layer.inverse(z)
    calls, grad = [], torch.autograd.grad

    def counted(*args: object, **options: object) -> tuple[Tensor, ...]:
        calls.append(args)
        return grad(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.autograd, "grad", counted)
    back.sum().backward()
    assert len(calls) <= 3  # one of them is the transposed substitution
    jacobian = dense_jacobian(layer, x[0])
    assert worst(z.grad[0].flatten(), torch.linalg.solve(jacobian.T, torch.ones_like(jacobian[0]))) < 1e-10


def test_second_derivatives_are_refused() -> None:
    model, x, _ = made("corner")
    z = model(x)[0].detach().requires_grad_()
    with pytest.raises(RuntimeError, match="second derivatives"):
        torch.autograd.grad(model.inverse(z)[0].sum(), z, create_graph=True)


def test_float32_empty_batches_copies_and_leading_axes() -> None:
    model, x, _ = made("raster", torch.float32)
    with torch.no_grad():
        z, _ = model(x)
        assert worst(model.inverse(z)[0], x) < 1e-4
        assert model.inverse(z[:0])[0].shape == (0, 3, 5, 4)
        assert torch.equal(copy.deepcopy(model).inverse(z[:, None])[0][:, 0], model.inverse(z)[0])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert worst(model.inverse(z)[0], x) < 1e-4


def test_ill_conditioned_weights_are_refined_or_refused() -> None:
    """What rounding spoils is not handed out: the residual is tested, whatever the substitution gave."""
    model, x, _ = made("corner", torch.float32)
    layer = layers_of(model)[0]
    weight = layer.effective("k").clone()
    weight[:, :, :2] *= 30.0
    layer.set_effective("k", weight)
    with torch.no_grad():
        z = torch.randn_like(x)
        try:
            back, _ = layer.inverse(z)
        except RuntimeError as error:
            assert type(error).__name__ == "InversionError"
            return
        wide = copy.deepcopy(layer).double()
        assert float((wide(back.double())[0] - z.double()).abs().max()) < 1e-5 * (1 + float(back.abs().max()) * 1000)
    assert bool((layer.last_inverse.residual <= 1e-5).all())


def test_generated_text_of_a_sum() -> None:
    text = source(ORDER + CALLED["sum"])
    assert "return solve_fronts(" in text and "*added_kernels(" in text


def test_half_planes() -> None:
    assert half_plane([]) and half_plane([(1, 0), (0, 1), (1, -1), (2, -1)])
    assert half_plane([(-1, 0), (0, -1), (-3, -3)]) and half_plane([(3, -2), (-1, 1)])
    assert not half_plane([(1, 0), (-1, 0)]) and not half_plane([(1, 0), (-1, 1), (0, -1)])
    assert not half_plane([(2, 1), (-2, -1), (1, 1)]) and not half_plane([(1, 1), (-1, 1), (0, -1)])
