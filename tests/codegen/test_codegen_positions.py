"""Inverses by substitution: what is followed position by position, held against the net as a whole and the solver."""

from __future__ import annotations

import pytest
import torch
from codegen_oracle import Compiled, compile_text, dense_jacobian, near_initial, reference, source, worst
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

torch.set_num_threads(1)

VECTORS = """
net Made(width: Nat, way: Dir = lower) from Vec[D] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  act bent(u) = u + 0.5 * tanh(u)
  param V1 : linear way from Vec[D] to Hid
  param V2, V3 : linear way on Hid
  param V4 : linear way on Vec[D]
  param Vm, Va : linear strict way from Hid to Vec[D]
  param S : linear strict way on Vec[D]
  param b1, b2 : bias on Hid init normal(std = 0.1)
  param s2 : scale on Hid
  param bm : bias init normal(std = 0.1)
  map x {
    let u = bent(V1(x) + b1 * tanh(0.5))
    let v = u + V3(tanh(s2 * V2(u) + 2 * b2 + 0.5))
    let w = tanh(Vm(v) - bm)
    return (w, Va(v) / 4 + V4(w) * S(x) - S(tanh(x)))
  }
}
"""
PROGRAMS = {
    "lower": VECTORS
    + """
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Made(width = 9) from Vec[D] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x)
    return (x - m) * exp(-a)
  }
}
flow F on Vec[5] ensures invertible { A  reverse  A  prior normal }""",
    "upper": VECTORS
    + """
layer A(tri: Dir = upper) on Vec[D] ensures tri, diag > 0, invertible {
  param n : net Made(width = 11, way = tri) from Vec[D] to (Vec[D], Vec[D])
  param W : linear strict tri on Vec[D]
  param t : scale with diag >= 0.5
  map x {
    let (m, a) = n(x)
    return -((2 - (x * t + m) / (1.2 + sigmoid(a))) * exp(tanh(W(x))))
  }
}
flow F on Vec[5] ensures invertible { A  A(tri = lower)  prior normal }""",
    "sum of a family": """
layer A on Vec[D] ensures lower, diag > 0, invertible {
  index i : 2
  param S : linear strict lower
  param b[i] : bias
  map x {
    let u[i] = tanh(b[i])
    return x * exp(tanh(S(x))) + gelu(sum[i](2 - u[i]))
  }
}
flow F on Vec[5] ensures invertible { A  reverse  A  prior normal }""",
    "one": VECTORS
    + """
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Made(width = 3) from Vec[D] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x)
    return x * exp(a) + m
  }
}
flow F on Vec[1] ensures invertible { A  prior normal }""",
    "splines": """
net Bins(bins: Nat, way: Dir) from Vec[D] to (Own, Own, Less) {
  space Hid = Vec[9]
  space Own = Vec[bins * D] (degrees = own)
  space Less = Vec[(bins - 1) * D] (degrees = own)
  param V : linear way from Vec[D] to Hid
  param W, K : linear strict way from Hid to Own
  param U : linear way on Own
  param S : linear way from Own to Less
  param s : scale (per = element) on Own init normal(std = 1)
  param b : bias (per = element) on Own init normal(std = 0.3)
  map x {
    let v = tanh(V(x))
    let w = W(v) + s * b
    return (w, b + K(v), S(tanh(U(w))))
  }
}
layer A(way: Dir, bins: Nat) on Vec[D] ensures way, diag > 0, invertible {
  space Own = Vec[bins * D] (degrees = own)
  param n : net Bins(bins = bins, way = way) from Vec[D] to (Vec[bins * D], Vec[bins * D], Vec[(bins - 1) * D])
  param s : scale (per = element) on Own init normal(std = 1)
  param t : scale with diag >= 0.5
  map x {
    let (w, k, d) = n(x)
    return rq_spline(t * (x + 0.1), widths = w * s, heights = k, slopes = d, bound = 2, floor = 0.01)
  }
}
flow F on Vec[5] ensures invertible { A(lower, 4)  A(upper, 2)  prior normal }""",
    "mixtures": """
net Three(way: Dir) from Vec[D] to (Own, Own) {
  space Own = Vec[3 * D] (degrees = own)
  param M, S : linear strict way from Vec[D] to Own init normal(std = 0.3)
  map x -> (M(x), S(tanh(x)))
}
layer A(way: Dir) on Vec[D] ensures way, diag != 0, invertible {
  space Own = Vec[3 * D] (degrees = own)
  param n : net Three(way = way) from Vec[D] to (Own, Own)
  param l : bias (per = element) on Own init normal(std = 0.3)
  param V : linear strict way init normal(std = 0.3)
  map x {
    let (m, s) = n(x)
    let u = mix_logistic(2 * x - V(x), logits = l, means = m + l, log_scales = s)
    return -mix_logistic(u * exp(V(x)), logits = V(x), means = V(tanh(x)), log_scales = V(x)) + V(x)
  }
}
flow F on Vec[6] ensures invertible { A(upper)  A(lower)  prior normal }""",
    "learned swish": """
net Made(way: Dir) from Vec[D] to Vec[D] {
  space Hid = Vec[7]
  param V : linear way from Vec[D] to Hid
  param W : linear strict way from Hid to Vec[D]
  param b : bias on Hid init normal(std = 0.3)
  param s : scale on Vec[1] with diag > 0 init normal(std = 1)
  param t : scale on Vec[1] with diag >= 0.5 via exp
  map x {
    let u = swish(V(x) + swish(b, beta = s), beta = s)
    return 0.3 * swish(swish(W(u), beta = t) + W(b), beta = s)
  }
}
layer A(way: Dir) on Vec[D] ensures way, diag > 0, invertible {
  param n : net Made(way = way)
  map x -> x * exp(n(x)) + n(x)
}
flow F on Vec[5] ensures invertible { A(lower)  A(upper)  prior normal }""",
    "learned swish of tokens": """
net Shift from Seq[T, D] to Seq[T, D] {
  order time
  param V, W : linear
  param s : scale on Vec[1] with diag > 0 init normal(std = 1)
  map x -> swish(W(delay(swish(V(x), beta = s))), beta = s)
}
layer A on Seq[T, D] ensures lower, diag > 0, invertible {
  order time
  param n : net Shift
  map x -> x * exp(tanh(n(x))) + n(x)
}
flow F on Seq[4, 2] ensures invertible { A  reverse(axis = time)  A  prior normal }""",
    "tokens": """
net Layer(heads: Nat) from Seq[T, E] to Seq[T, E] {
  order time
  param n1, n2 : layer_norm
  param K : attention lower (heads = heads)
  param V1 : linear from Seq[T, E] to Seq[T, 2 * E]
  param V2 : linear from Seq[T, 2 * E] to Seq[T, E]
  param b : bias (per = channel) on Seq[T, 2 * E]
  map x {
    let u = x + K(n1(x))
    return u + V2(gelu(V1(n2(u)) + b))
  }
}
net Causal(width: Nat) from Seq[T, D] to (Seq[T, D], Seq[T, D]) {
  order time
  space Hid = Seq[T, width]
  index l : 2
  param V0 : linear from Seq[T, D] to Hid
  param p : bias (per = element) on Hid init normal(std = 0.1)
  param B[l] : net Layer(heads = 2) from Hid to Hid
  param Vm, Va : linear from Hid to Seq[T, D]
  map x {
    let u = delay(chain[l](B[l])(V0(x) + p))
    return (Vm(u), 0.3 * Va(u))
  }
}
layer A on Seq[T, D] ensures lower, diag > 0, invertible {
  order time
  param n : net Causal(width = 4) from Seq[T, D] to (Seq[T, D], Seq[T, D])
  map x {
    let (m, a) = n(x)
    return (x - m) * exp(-a)
  }
}
flow F on Seq[4, 2] ensures invertible { A  reverse(axis = time)  A  prior normal }""",
}
UNFIT = """mint 1
net N from Vec[D], Vec[D] to Vec[D] {
  param V, W : linear strict lower
  map x, y -> V(x) + tanh(W(y))
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n, k : net N from Vec[D], Vec[D] to Vec[D]
  param b : bias
  map x -> x * exp(n(x, b)) + k(b, x)
}
flow F on Vec[4] ensures invertible { A }"""


def layers_of(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if hasattr(m, "substituted")]


def made(name: str) -> tuple[Compiled, nn.Module, Tensor]:
    at = compile_text("mint 1" + PROGRAMS[name])
    model = near_initial(at.build(), 3)
    torch.manual_seed(1)
    return at, model, torch.randn(3, *at.shape, dtype=torch.float64)


@pytest.mark.parametrize("name", PROGRAMS)
def test_value_and_log_det_are_those_of_the_interpreter(name: str) -> None:
    at, model, x = made(name)
    known = reference(at, model, x)
    z, log_det = model(x)
    assert worst(z.flatten(1), known.value) < 1e-12 and worst(log_det, known.log_det) < 1e-11
    for k in range(len(x)):
        assert worst(dense_jacobian(model, x[k]), known.jacobian[k]) < 1e-11


@pytest.mark.parametrize("name", PROGRAMS)
def test_substitution_alone_inverts(name: str) -> None:
    _, model, x = made(name)
    found = layers_of(model)
    assert len(found) == 2 - (name == "one")
    with torch.no_grad():
        for layer in found:
            z, _ = layer(x)
            assert worst(layer.substituted(z, layer.effective_weights()), x) < 1e-11
            back, _ = layer.inverse(z)
            assert worst(back, x) < 1e-11 and layer.last_inverse.steps <= 1
        z, log_det = model(x)
        back, minus = model.inverse(z)
    assert worst(back, x) < 1e-11 and worst(minus, -log_det) < 1e-11


def test_each_weight_is_used_once() -> None:
    at = compile_text("mint 1" + PROGRAMS["lower"].replace("Vec[5]", "Vec[40]").replace("9", "45"))
    model = near_initial(at.build(), 3, 0.02)
    layer = layers_of(model)[0]
    used = 0

    class Products(TorchDispatchMode):
        def __torch_dispatch__(self, func: object, types: object, args: tuple[Tensor, ...] = (), kwargs: object = None):  # type: ignore[no-untyped-def]
            nonlocal used
            if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
                used += args[-2].numel()
            return func(*args, **(kwargs or {}))  # type: ignore[operator]

    z = torch.randn(2, 40, dtype=torch.float64)
    with torch.no_grad(), Products():
        layer.substituted(z, layer.effective_weights())
    stored = sum(p.numel() for p in layer.parameters() if p.dim() == 2)
    assert stored // 2 < used <= stored


def test_a_bad_start_costs_nothing_but_time() -> None:
    _, model, x = made("lower")
    layer = layers_of(model)[0]
    with torch.no_grad():
        z, _ = layer(x)
        layer.substituted = lambda z, w: torch.full_like(z, torch.nan)
        assert worst(layer.inverse(z)[0], x) < 1e-11


def test_gradients_through_the_inverse() -> None:
    _, model, x = made("tokens")
    z = model(x)[0].detach().requires_grad_()
    found = model.inverse(z)[0]
    jacobian = dense_jacobian(model, x[0])
    row = torch.autograd.grad(found[0].flatten()[3], z, retain_graph=True)[0][0].flatten()
    assert worst(row, torch.linalg.inv(jacobian)[3]) < 1e-9
    grads = torch.autograd.grad(found.square().sum(), list(model.parameters()), allow_unused=True)
    assert all(g is not None and bool(torch.isfinite(g).all()) for g in grads[:-2])


def test_float32_and_a_scale_that_underflows() -> None:
    text = """mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param S : linear strict lower init zeros
  param b : bias
  map x -> x * exp(S(x) - 120) * exp(60)
}
flow F on Vec[3] ensures invertible { A  prior normal }"""
    model = compile_text(text).build(torch.float32)
    x = torch.ones(1, 3)
    assert float(model(x)[1].detach()) == pytest.approx(-180.0)
    with torch.no_grad():
        model.A_0.S.fill_(-0.1)
    far = 1e3 * torch.ones(1, 3)  # exp(-100 - 60) is 0 in float32
    assert float(model(far)[1].detach()) == pytest.approx(-180.0 - 300.0, rel=1e-5)


def test_a_net_that_is_read_in_two_ways_keeps_the_solver() -> None:
    assert "substituted" not in source(UNFIT)
    model = near_initial(compile_text(UNFIT).build(), 1)
    torch.manual_seed(1)
    x = torch.randn(2, 4, dtype=torch.float64)
    assert worst(model.inverse(model(x)[0])[0], x) < 1e-11


def test_matrices_together_with_what_a_context_adds() -> None:
    text = """mint 1
net N from Vec[D], Vec[M] to (Vec[D], Vec[D], Vec[D]) {
  space Hid = Vec[37]
  param V : linear lower from Vec[D] to Hid
  param A, B, E : linear strict lower from Hid to Vec[D]
  param U : linear from Vec[M] to Vec[D]
  param u : linear from Vec[M] to Hid
  param b : bias on Vec[D] init normal(std = 0.3)
  map x, c {
    let v = tanh(u(c) + V(x))
    return (A(v) + U(c), b + B(v), E(v))
  }
}
layer L on Vec[D] given c : Vec[M] ensures lower, diag > 0, invertible {
  param n : net N from Vec[D], Vec[M] to (Vec[D], Vec[D], Vec[D])
  map x {
    let (m, a, e) = n(x, c)
    return (x + m) * exp(a) - e
  }
}
flow F on Vec[19] given c : Vec[2] ensures invertible { L }"""
    assert "MaskedRows((A, B, E), (" in source(text)
    model = near_initial(compile_text(text).build(), 4, 0.3)
    torch.manual_seed(2)
    x, context = torch.randn(3, 19, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    with torch.no_grad():
        back, _ = model.inverse(model(x, context)[0], context)
    (layer,) = layers_of(model)
    assert worst(back, x) < 1e-12 and layer.last_inverse.steps == 0


def test_functions_of_sizes_are_remembered() -> None:
    """Found by random programs."""
    text = """mint 1
net N from Vec[D] to Vec[D] {
  param S : linear strict lower
  map x -> S(x) * (0.2 + softplus(D)) - sigmoid(D)
}
layer L on Vec[D] ensures lower, diag > 0, invertible {
  param n : net N from Vec[D] to Vec[D]
  param S : linear strict lower
  map x -> x / (0.15 + sigmoid(D)) * (0.872 + softplus(D)) + S(tanh(x)) + n(x)
}
flow F on Vec[6] ensures invertible { L }"""
    assert "substituted" in source(text)
    model = near_initial(compile_text(text).build(), 4, 0.3)
    torch.manual_seed(2)
    x = torch.randn(3, 6, dtype=torch.float64)
    with torch.no_grad():
        assert worst(model.inverse(model(x)[0])[0], x) < 1e-12
    assert layers_of(model)[0].last_inverse.steps == 0


@pytest.mark.parametrize("conv", ["conv 3x3 strict lower", "linear strict lower"])
def test_functions_of_numbers_in_a_chain(conv: str) -> None:
    """Found by random programs."""
    shape = "Image[2, 2, 3]" if conv.startswith("conv") else "Vec[6]"
    text = f"""mint 1
layer L on {shape} ensures lower, diag > 0, invertible {{
  param S : {conv}
  map x -> (x + 0.682 * silu(2)) / (0.1 + sigmoid(2)) * softplus(0.5) + S(tanh(x))
}}
flow F on {shape} ensures invertible {{ L }}"""
    at = compile_text(text)
    model = near_initial(at.build(), 4, 0.3)
    torch.manual_seed(2)
    x = torch.randn(3, *at.shape, dtype=torch.float64)
    known = reference(at, model, x)
    with torch.no_grad():
        z, log_det = model(x)
        back, minus = model.inverse(z)
    assert worst(z.flatten(1), known.value) < 1e-12 and worst(log_det, known.log_det) < 1e-11
    assert worst(back, x) < 1e-11 and worst(minus, -log_det) < 1e-11
    assert worst(torch.compile(model, backend="eager", fullgraph=True)(x)[1], log_det) == 0
