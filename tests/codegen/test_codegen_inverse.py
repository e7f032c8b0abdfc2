"""Layers in their inverse direction: `forward` solves, `inverse` is the formula, gradients go through the solve."""

from __future__ import annotations

import math

import pytest
import torch
from codegen_oracle import compile_text, compiled, data_of, dense_jacobian, draw, worst
from codegen_programs import HEAD
from torch import Tensor, nn

torch.set_num_threads(1)

RESIDUAL = """
layer A on Vec[D] ensures invertible {
  param W : linear with lip <= 0.5
  map x -> x + W(tanh(x))
}
flow F on Vec[4] ensures invertible { A(direction = inverse) log_det exact  A log_det exact  prior normal }"""
CONTEXT = """
layer A on Vec[D] given c : Vec[D] ensures lower, diag > 0, invertible {
  param t : scale with diag >= 0.5
  param V : linear lower with diag >= 0
  map x -> t * x + tanh(V(x)) + c
}
flow F on Vec[3] given c : Vec[3] ensures invertible { A(direction = inverse)  A  prior normal }"""
BOX = """
layer S on Vec[D] ensures injective { map x -> sigmoid(x) }
flow F on Vec[3] ensures invertible { S(direction = inverse)  prior normal }"""


def kernel(weight: Tensor, height: int, width: int) -> Tensor:
    """The dense matrix of a convolution padded at the top and left, [C H W, C H W]."""
    channels, _, rows, columns = weight.shape
    found = torch.zeros(channels, height, width, channels, height, width, dtype=weight.dtype)
    for i in range(height):
        for j in range(width):
            for u in range(rows):
                for v in range(columns):
                    p, q = i - (rows - 1 - u), j - (columns - 1 - v)
                    if p >= 0 and q >= 0:
                        found[:, i, j, :, p, q] = weight[:, :, u, v]
    return found.reshape(channels * height * width, -1)


def test_inverse_flow_solves_the_dense_matrix() -> None:
    model = draw(compiled("inverse_corner").build())
    x = torch.randn(3, 2, 3, 2, dtype=torch.float64)
    z, log_det = model(x)
    layers = (model.InverseFlow_0.Corner_0, model.Corner_0)
    first, second = (kernel(layer.effective("k").detach(), 3, 2) for layer in layers)
    wanted = torch.linalg.solve(second, torch.linalg.solve(first, x.flatten(1).T)).T
    assert worst(z.flatten(1), wanted) <= 1e-10
    assert worst(log_det, torch.zeros(3)) <= 1e-12
    assert worst(model.inverse(z)[0], x) <= 1e-10


@pytest.mark.parametrize("text", [RESIDUAL, BOX], ids=["residual", "box"])
def test_the_log_det_is_that_of_the_dense_jacobian(text: str) -> None:
    at = compile_text(HEAD + text)
    model = draw(at.build())
    x = torch.rand(3, *at.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z, log_det = model(x)
    for one, found in zip(x, log_det, strict=True):
        assert math.isclose(float(torch.linalg.slogdet(dense_jacobian(model, one))[1]), float(found), abs_tol=1e-9)
    back, inverse_log_det = model.inverse(z)
    assert worst(back, x) <= 1e-9 and worst(inverse_log_det, -log_det) <= 1e-9


@pytest.mark.parametrize("name", ["inverse_triangular", "inverse_corner", "inverse_coupling_raw"])
def test_gradients_of_weights_go_through_the_solve(name: str) -> None:
    at = compiled(name)
    model = draw(at.build())
    x = data_of(at, 2)
    value = lambda: sum((part * (k + 1)).sum() for k, part in enumerate(model(x)))  # noqa: E731
    value().backward()
    for parameter in model.parameters():
        place = tuple(0 for _ in parameter.shape)
        with torch.no_grad():
            slopes = []
            for step in (1e-5, -1e-5):
                parameter[place] += step
                slopes.append(float(value()))
                parameter[place] -= step
        found = 0.0 if parameter.grad is None else float(parameter.grad[place])
        assert math.isclose(found, (slopes[0] - slopes[1]) / 2e-5, rel_tol=1e-6, abs_tol=1e-6)


def test_context_reaches_a_layer_in_either_direction() -> None:
    at = compile_text(HEAD + CONTEXT)
    model = draw(at.build())
    x, context = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    z, log_det = model(x, context)
    back, inverse_log_det = model.inverse(z, context)
    assert worst(back, x) <= 1e-9 and worst(inverse_log_det, -log_det) <= 1e-9
    assert worst(z, model(x, 0 * context)[0]) > 1e-3
    middle = model.A_0.inverse(x, context)[0]
    assert worst(model.A_0(middle, context)[0], x) <= 1e-9 and worst(model.A_1(middle, context)[0], z) <= 1e-12


def test_a_trace_has_the_layers_that_are_solved() -> None:
    model = draw(compiled("inverse_triangular").build())
    x = torch.randn(2, 4, dtype=torch.float64)
    rows = model.trace(x)
    assert [path for path, _, _ in rows] == ["A_0", "A_1", "last.0", "last.1"]
    z, log_det = model(x)
    assert worst(rows[-1][1], z) == 0.0 and worst(sum(term for _, _, term in rows), log_det) <= 1e-12
    assert all("inverse" not in vars(module) for module in model.modules())


def test_what_is_assumed_is_tested_in_both_directions() -> None:
    model: nn.Module = draw(compiled("inverse_coupling_raw").build())
    x = torch.randn(2, 4, dtype=torch.float64)
    with torch.no_grad():
        model.A_0.s.zero_()
    for call in (model, model.inverse):
        with pytest.raises(ValueError, match=r"diag\(s\)"):
            call(x)


def test_the_result_is_a_tensor_of_its_own() -> None:
    """Also where no step is taken: what is done to x in place does not reach z."""
    text = "layer A on Vec[D] ensures lower, diag > 0 {\n  param W : linear lower with diag > 0 init identity\n"
    model = compile_text(HEAD + text + "  map x -> W(x) + 0 * tanh(x)\n}", (3,)).build()
    z = torch.randn(4, 3, dtype=torch.float64)
    for options in ({}, {"max_iter": 0}, {"tol": 1e9, "max_iter": 0}):
        assert model.inverse(z, **options)[0].data_ptr() != z.data_ptr()
