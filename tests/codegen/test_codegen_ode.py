"""Generated continuous flows: against the dense Jacobian and the interpreter, their gradients, their limits."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Sequence

import pytest
import torch
from codegen_oracle import Compiled, compile_text, dense_jacobian, draw, worst
from torch import Tensor, nn

import mintdsl
from mintdsl.core import interpret
from mintdsl.core.interpret_env import bind
from mintdsl.resources import resource
from mintdsl.verify import verify
from mintdsl.verify.models import field_weights, tight

pytest.importorskip("torchdiffeq", reason="a step `ode` is solved by torchdiffeq, which the dev requirements have")
torch.set_num_threads(1)

VECTOR = """mint 1
net Field(width: Nat, h: Act) from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[width]
  param W : linear from Vec[width + 1] to Vec[D]
  param b : bias on Vec[width]
  map x, time -> W(concat(h(V(concat(x, time)) + b), time))
}
flow F on Vec[3] ensures invertible, log_det solver, inverse solver {
  ode Field(width = 4, h = tanh) by dopri5(until = 0.5, tol = 1e-6) log_det exact
  reverse
  second: ode Field(width = 3, h = softplus) by dopri8(until = 1, tol = 1e-6) log_det exact
  prior normal
}
"""
ESTIMATED = VECTOR.replace("log_det exact", "log_det hutchinson(probes = 1)").replace("log_det solver, ", "")
IMAGE = """mint 1
net Block from Image[C, H, W] to Image[C, H, W] {
  param V : conv 3x3
  map x -> x + V(tanh(x))
}
net Field from Image[C, H, W], Vec[1] to Image[C, H, W] {
  param V : conv 3x3 from Image[C + 1, H, W] to Image[C, H, W]
  param B : net Block
  param b : bias
  map x, time -> V(concat(B(x), time)) + b
}
flow F on Image[1, 2, 2] ensures invertible {
  repeat 2 { ode Field by bosh3(until = 0.3, tol = 1e-5) log_det exact }
  squeeze 2
}
"""
MULTI = """mint 1
net Field from Vec[D], Vec[1] to Vec[D] {
  param V : linear from Vec[D + 1] to Vec[D]
  map x, time -> relu(V(concat(x, time)))
}
flow F on Vec[4] ensures invertible {
  ode Field by adaptive_heun(tol = 1e-4) log_det exact
  factor half
  ode Field by dopri5(tol = 1e-6) log_det exact
  prior normal
}
"""
SPREAD = """mint 1
net Field from Image[C, H, W], Vec[1] to Image[C, H, W] {
  param V : conv 1x1 from Image[C + 1, H, W] to Image[C, H, W]
  map x, time -> V(concat(time - 3 * time, tanh(x)))
}
flow F on Image[1, 2, 1] ensures invertible { ode Field by dopri8(until = 0.2, tol = 1e-6) log_det exact }
"""
"""Found by the fuzzer: a formula of a vector, not its name, repeated at each pixel."""
PROGRAMS = {"vector": VECTOR, "image": IMAGE, "multi": MULTI, "spread": SPREAD}


def model_of(text: str, dtype: torch.dtype = torch.float64, std: float = 0.5) -> nn.Module:
    return draw(compile_text(text).build(), std=std).to(dtype)


def points(model: nn.Module, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    made = torch.Generator().manual_seed(3)
    return torch.randn(count, *model.event_shape, generator=made, dtype=torch.float64).to(dtype)


def interpreted(at: Compiled, model: nn.Module, x: Tensor) -> Sequence[interpret.FlowResult]:
    flow = at.core.definitions[at.key]
    raw = field_weights(model, interpret.fields(at.core, flow, bind(flow, model.event_shape, {})))
    return [interpret.evaluate_flow(at.core, at.key, v.flatten().tolist(), model.event_shape, {}, raw) for v in x]


@pytest.mark.parametrize("name", PROGRAMS)
def test_against_the_interpreter_and_the_dense_jacobian(name: str) -> None:
    at, model = compile_text(PROGRAMS[name]), model_of(PROGRAMS[name])
    x = points(model, 2 if name == "vector" else 1)
    meant = interpreted(at, model, x)
    with tight(model, 1e-9):
        z, log_det = model(x)
        back, inverse_det = model.inverse(z)
        dense = torch.stack([dense_jacobian(model, v) for v in x])
    assert worst(z.flatten(1), torch.tensor([m.value for m in meant], dtype=torch.float64)) <= 1e-5
    kinks = 1e-3 if "relu" in PROGRAMS[name] else 1e-5  # steps meet them anywhere
    assert worst(log_det, torch.tensor([m.log_det for m in meant], dtype=torch.float64)) <= kinks
    assert worst(log_det, torch.linalg.slogdet(dense)[1]) <= kinks
    assert worst(dense, torch.tensor([m.jacobian for m in meant], dtype=torch.float64)) <= kinks
    assert worst(back, x) <= 1e-6 and worst(inverse_det, -log_det) <= 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_round_trip_is_within_some_tolerances(dtype: torch.dtype) -> None:
    model = model_of(VECTOR, dtype)
    x = points(model, 4, dtype)
    with torch.no_grad():
        z, log_det = model(x)
        back, inverse_det = model.inverse(z)
    assert z.dtype == log_det.dtype == back.dtype == dtype
    assert worst(back, x) <= 1e-4 and worst(inverse_det, -log_det) <= 1e-4


def test_the_adjoint_gives_the_gradient_of_the_steps() -> None:
    model = model_of(ESTIMATED)
    x = points(model, 3).requires_grad_()
    found = []
    for adjoint in (True, False):
        model.zero_grad()
        x.grad = None
        for step in (model.ode_0, model.second):
            step.adjoint = adjoint
        torch.manual_seed(0)
        model.log_prob(x).mean().backward()
        found.append([p.grad.clone() for p in (*model.parameters(), x)])
    assert all(float(a.abs().max()) > 1e-3 for a in found[0])
    assert all(worst(a, b) <= 1e-4 for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("field", ["sin(2)", "time * 0 + 0.5", "0.5 + b"])
def test_a_field_that_does_not_read_the_state_moves_it(field: str) -> None:
    """Nothing of it may need a gradient: the adjoint and the steps of the solver give that of a shift."""
    bias = "param b : bias  " if field.endswith("b") else ""
    value = field if "time" not in field else "V(time) * 0 + 0.5"
    bias += "param V : linear from Vec[1] to Vec[D]  " if "time" in field else ""
    model = compile_text(
        f"mint 1\nnet N from Vec[D], Vec[1] to Vec[D] {{ {bias}map x, time -> {value} }}\n"
        "flow F on Vec[3] ensures invertible { ode N by dopri5(until = 0.2) log_det exact  prior normal }\n"
    ).build()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    for adjoint in (True, False):
        next(m for m in model.modules() if hasattr(m, "adjoint")).adjoint = adjoint
        z, log_det = model(x)
        assert bool((log_det == 0).all()) and worst(model.inverse(z)[0], x) <= 1e-9
        (slope,) = torch.autograd.grad(model.log_prob(x).sum(), x)
        assert worst(slope, -z) <= 1e-9
        with model.energies() as energy:
            loss = model.log_prob(x).sum() + energy.kinetic.sum()
        assert torch.isfinite(torch.autograd.grad(loss, x)[0]).all()


def test_the_estimate_is_unbiased_and_its_noise_stays_for_a_solve() -> None:
    exact, model = model_of(VECTOR), model_of(ESTIMATED)
    model.load_state_dict(exact.state_dict())
    x = points(model, 1)
    with torch.no_grad():
        many = model(x.expand(4000, 3))[1]
        assert float(many.std()) > 0.01
        assert abs(float(many.mean() - exact(x)[1])) <= 4 * float(many.std()) / 4000**0.5 + 1e-4
        torch.manual_seed(1)
        first = model(x)[1]
        torch.manual_seed(1)
        assert torch.equal(first, model(x)[1])


def field_at(field: nn.Module, time: Tensor, z: Tensor) -> Tensor:
    return field(z[None], time)[0]


def test_energies_are_the_integrals_along_the_way() -> None:
    """By finite steps of the exact solution: the sum of |dz|^2 / dt."""
    first, _, rest = VECTOR.partition("  reverse\n")
    model = model_of(first + rest.partition("\n")[2])
    x = points(model, 2)
    with torch.no_grad(), model.energies() as energy:
        model.log_prob(x)
        assert energy.kinetic.shape == energy.jacobian.shape == (2,)
        step, z, kinetic, squares, parts = model.ode_0, x, 0.0, 0.0, 200
        for k in range(parts):
            time = torch.full((2, 1), (k + 0.5) * 0.5 / parts, dtype=torch.float64)
            middle = z + 0.25 / parts * step.field(z, time)
            slope = step.field(middle, time)
            kinetic = kinetic + slope.square().sum(1) * 0.5 / parts
            rows = torch.stack(
                [torch.func.jacrev(lambda v, at=time[:1]: step.field(v[None], at)[0])(v) for v in middle]
            )
            squares = squares + rows.square().sum((1, 2)) * 0.5 / parts
            z = z + slope * 0.5 / parts
    assert worst(energy.kinetic, kinetic) <= 1e-3 and worst(energy.jacobian, squares) <= 1e-3
    assert model.ode_0.measured is None


@pytest.mark.parametrize("text", [VECTOR, ESTIMATED, MULTI])
def test_shapes_copies_and_devices(text: str) -> None:
    model = model_of(text)
    x = points(model, 6).reshape(2, 3, *model.event_shape)
    z, log_det = model(x)
    assert z.shape == (2, 3, *model.latent_shape) and log_det.shape == (2, 3)
    z, log_det = model(x[:0])
    assert z.shape == (0, 3, *model.latent_shape) and log_det.shape == (0, 3)
    assert model.inverse(z)[0].shape == (0, 3, *model.event_shape)
    again = pickle.loads(pickle.dumps(copy.deepcopy(model).state_dict()))
    twin = copy.deepcopy(model)
    twin.load_state_dict(again)
    torch.manual_seed(0)
    expected = model(x)[1]
    torch.manual_seed(0)
    assert torch.equal(expected, twin(x)[1])
    meta = compile_text(text).build(device="meta")
    z, log_det = meta(torch.empty(5, *meta.event_shape, device="meta", dtype=torch.float64))
    assert z.shape == (5, *meta.latent_shape) and log_det.shape == (5,) and z.is_meta
    with model.frozen():
        assert model(x)[0].shape == (2, 3, *model.latent_shape)
    assert model.sample((2,)).shape == (2, *model.event_shape)


def test_autocast_leaves_the_solver_alone() -> None:
    model = model_of(VECTOR, torch.float32)
    x = points(model, 3, torch.float32)
    with torch.no_grad():
        expected = model(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = model(x)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_what_it_refuses() -> None:
    model = model_of(VECTOR)
    x = points(model, 2)
    with pytest.raises(ValueError, match="bfloat16 meet no tolerance"):
        model_of(VECTOR, torch.bfloat16)(x.bfloat16())
    with pytest.raises(RuntimeError, match="ode_0: dopri5 gave up at the tolerance 1e-06: max_num_steps exceeded"):
        model.ode_0.inverse(100 * x, max_iter=1)
    with pytest.raises(RuntimeError, match="z is not finite"):
        model.inverse(x * torch.inf)
    wide = compile_text(VECTOR.replace("Vec[3]", "Vec[5000]")).build()
    with pytest.raises(ValueError, match="for at most 4096 elements; use `log_det hutchinson"):
        wide(torch.zeros(1, 5000, dtype=torch.float64))


def test_without_the_library_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(VECTOR)
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    with pytest.raises(ImportError, match="pip install torchdiffeq"):
        model(points(model, 1))


def test_verify_measures_the_round_trip() -> None:
    found = verify(mintdsl.loads(VECTOR.replace("until = 1", "until = 0.25").replace("tol = 1e-6", "tol = 1e-4")))
    assert found.ok
    assert "inverse(forward(x)) = x, measured" in {row.check for row in found.rows}
    assert any("the round trip is measured, not bounded" in note for note in found.notes)


@pytest.mark.slow
def test_compiled_modules_leave_the_solver_out_of_their_graph() -> None:
    """What chooses its steps by numbers is no one graph, so fullgraph is not for these modules."""
    model = model_of(VECTOR)
    x = points(model, 3)
    with torch.no_grad():
        expected = model(x)
        torch._dynamo.reset()
        found = torch.compile(model, backend="eager")(x)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_small_ffjord_of_the_library_learns() -> None:
    model = mintdsl.load(resource("specs") / "ffjord" / "toy2d.mint").compile("FfjordToy2d", width=8)(
        dtype=torch.float32
    )
    made = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2, generator=made) * 0.3 + 2
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = -model.log_prob(x).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1
