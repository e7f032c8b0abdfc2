"""Numbers that are stored as they are (`via raw`): the proof assumes that they are not 0, and the module tests it."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable

import pytest
import torch
from codegen_oracle import compile_text, compiled, draw, near_initial, source, worst
from codegen_programs import HEAD, PROGRAMS
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode

import mintdsl
from mintdsl.verify import verify

torch.set_num_threads(1)

FLOW = (
    HEAD
    + """
layer Norm on S ensures diag != 0, invertible {
  param g : scale (per = channel) with diag != 0 via raw
  param b : bias
  map x -> g * x + b
}
layer Free on S ensures diag > 0, invertible { param t : scale with diag > 0  map x -> t * x }
layer Conv(tri: Dir) on Image[C, H, W] ensures tri, diag != 0, invertible {
  param k : conv 3x3 tri with diag != 0 via raw init near_identity(std = 0.02)
  param s : scale with diag != 0 via raw
  map x -> s * k(x)
}
flow Inner on Image[C, H, W] ensures invertible { Free  Norm }
flow F on Image[2, 3, 3] ensures invertible {
  Free
  inner: Inner
  repeat 2 { pair { Conv(tri = lower)  Conv(tri = upper) } }
  prior normal
}"""
)
BROKEN = (0.0, -0.0, math.nan, math.inf, -math.inf)


def model_of(dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Module:
    """Weights near the initial ones, every second stored diagonal negative."""
    model = near_initial(compile_text(FLOW).build(dtype), seed, 0.02)
    with torch.no_grad():
        for layer in model.modules():
            if hasattr(layer, "g"):
                layer.g[0] *= -1.0
            if hasattr(layer, "k"):
                layer.k[1, 1, 1, 1] *= -1.0
    return model


def data(model: nn.Module, batch: int = 3) -> Tensor:
    made = torch.Generator().manual_seed(4)
    x = torch.randn(batch, *model.event_shape, generator=made, dtype=torch.float64)
    return x.to(next(model.parameters()).dtype)


def error_of(call: Callable[[], object]) -> ValueError:
    with pytest.raises(ValueError) as caught:
        call()
    assert type(caught.value).__name__ == "AssumptionError"
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_proof_names_what_it_assumes() -> None:
    report = mintdsl.loads(FLOW).check()
    assert report.ok
    assert report["Norm"].proof.assumptions == ("diag(g) != 0 of Norm",)
    assert report["Free"].proof.assumptions == ()
    assert set(report["F"].proof.assumptions) == {
        "diag(g) != 0 of Norm",
        "diag(k) != 0 of Conv",
        "diag(s) != 0 of Conv",
    }


def test_modules_without_assumptions_carry_nothing_of_them() -> None:
    text = source(HEAD + "layer A on Vec[D] ensures invertible { param s : scale with diag != 0  map x -> s * x }")
    assert "ssum" not in text


def test_negative_numbers_are_values_as_any_other() -> None:
    model = model_of()
    x = data(model)
    z, log_det = model(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0], x[0]).reshape(18, 18)
    assert torch.linalg.slogdet(jacobian).sign < 0 or (model.inner.Norm_0.g < 0).any()
    assert worst(log_det[0], torch.linalg.slogdet(jacobian).logabsdet) <= 1e-10
    back, inverse_det = model.inverse(z)
    assert worst(back, x) <= 1e-9 and worst(inverse_det, -log_det) <= 1e-9


@pytest.mark.parametrize("value", BROKEN)
def test_a_state_that_breaks_an_assumption_is_not_loaded(value: float) -> None:
    for key, place in (("inner.Norm_0.g", (1,)), ("Conv_0.1.k", (1, 1, 1, 1)), ("Conv_1.0.s", (0, 2, 1))):
        model, other = model_of(seed=1), model_of(seed=2)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        state = other.state_dict()
        state[key] = state[key].clone()
        state[key][place] = value
        for assign in (False, True):
            error = error_of(lambda s=state, a=assign, m=model: m.load_state_dict(s, assign=a))
            path, _, parameter = key.rpartition(".")
            assert (error.layer, error.parameter, error.which) == (path, parameter, "loaded")
            assert error.element == (place[:1] if parameter == "k" else place)
            assert str(error.value) == str(value) and path in str(error) and f"diag({parameter})" in str(error)
            for k, v in model.state_dict().items():
                assert torch.equal(v, before[k]), "a refused state leaves nothing behind"
        wrapped = nn.ModuleDict({"flow": model})
        error_of(lambda s=state, w=wrapped: w.load_state_dict({f"flow.{k}": v for k, v in s.items()}))
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_good_state_is_loaded() -> None:
    model, other = model_of(seed=1), model_of(seed=2)
    model.load_state_dict(other.state_dict())
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in other.state_dict().items())
    loaded = compile_text(FLOW).build()
    loaded.load_state_dict(other.state_dict(), assign=True)
    assert worst(loaded.inverse(data(loaded))[0], other.inverse(data(other))[0]) <= 1e-12
    part = {"inner.Norm_0.g": other.inner.Norm_0.g.detach()}
    model.load_state_dict(part, strict=False)
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict({"inner.Norm_0.g": torch.zeros(5)}, strict=False)


def test_a_number_that_the_dtype_rounds_to_zero_is_not_loaded() -> None:
    model = model_of(torch.float32)
    state = model_of(torch.float64).state_dict()
    state["inner.Norm_0.g"] = torch.tensor([1e-60, 1.0], dtype=torch.float64)
    assert error_of(lambda: model.load_state_dict(state)).element == (0,)
    model.load_state_dict(state, assign=True)  # then the numbers stay float64
    model = model_of(torch.float64)
    with torch.no_grad():
        model.inner.Norm_0.g[1] = 1e-60
    model.check_assumptions()
    error_of(model.float().check_assumptions)


@pytest.mark.parametrize("value", BROKEN)
def test_inverses_test_and_forward_does_not(value: float) -> None:
    model = model_of()
    x = data(model)
    z = model(x)[0]
    with torch.no_grad():
        model.Conv_1[1].k[1, 1, 1, 1] = value
    calls: list[Callable[[], object]] = [
        lambda: model.inverse(z),
        lambda: model.inverse(z, fixed=(3, 1.0)),
        lambda: model.sample((2,)),
        lambda: model.rsample((2,)),
        lambda: model.sample_and_log_prob(2),
        lambda: model.distribution().sample(),
        lambda: model.transform().inv(z),
        lambda: model.Conv_1[1].inverse(x),
        model.check_assumptions,
        model.Conv_1[1].check_assumptions,
    ]
    for call in calls:
        error = error_of(call)
        assert (error.layer, error.parameter, error.element) == ("Conv_1.1", "k", (1,))
        assert (error.which, str(error.value)) == ("stored", str(value))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    model.Conv_1[0].inverse(x)  # the others stand
    model.inner.inverse(x)
    log_det = model(x)[1]
    assert not torch.isfinite(log_det).any()
    if value == 0.0:
        assert (log_det == -math.inf).all() and (model.log_prob(x) == -math.inf).all()
    with model.checking() as same:
        assert same is model
        for call in (lambda: model.log_prob(x), lambda: model.bits_per_dim(x)):
            error_of(call)
    model.log_prob(x)
    with torch.no_grad():
        model.Conv_1[1].k[1, 1, 1, 1] = -0.5
    assert worst(model.inverse(model(x)[0])[0], x) <= 1e-9


def test_the_worst_element_is_named() -> None:
    layer = model_of().inner.Norm_0
    with torch.no_grad():
        layer.g.copy_(torch.tensor([0.0, math.nan]))
    assert error_of(layer.check_assumptions).element == (1,)


def test_an_optimiser_that_reaches_zero_is_noticed() -> None:
    at = compile_text(
        HEAD
        + "layer A on Vec[D] { param s : scale with diag != 0 via raw  map x -> s * x }"
        + "flow F on Vec[3] { A  prior normal }"
    )
    model = at.build()
    optimiser = torch.optim.SGD(model.parameters(), 0.5)
    model.inverse(torch.ones(2, 3, dtype=torch.float64))
    (model.A_0.s**2).sum().backward()  # the gradient of s^2 at 1 is 2: a step of 1
    optimiser.step()
    assert not model.A_0.s.any()
    error = error_of(lambda: model.inverse(torch.ones(2, 3, dtype=torch.float64)))
    assert (error.layer, error.parameter, error.element) == ("A_0", "s", (0,))


def test_set_effective() -> None:
    model = model_of()
    layer = model.Conv_0[0]
    value = -2.0 * layer.effective("k").detach()
    layer.set_effective("k", value)
    assert torch.equal(layer.effective("k"), value)
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    for bad in (0.0, -0.0):
        value[0, 0, 1, 1] = bad
        error = error_of(lambda v=value: layer.set_effective("k", v))
        assert (error.layer, error.parameter, error.element, error.which) == ("Conv_0.0", "k", (0,), "given")
    narrow = model_of(torch.float32).inner.Norm_0
    error_of(lambda: narrow.set_effective("g", torch.tensor([1e-60, 1.0], dtype=torch.float64)))
    value[0, 0, 1, 1] = math.nan
    with pytest.raises(ValueError, match="finite"):
        layer.set_effective("k", value)
    assert all(torch.equal(v, before[k]) for k, v in layer.state_dict().items())


def test_initial_values_are_never_zero() -> None:
    text = HEAD + "layer A on Vec[D] { param s : scale with diag != 0 via raw init zeros  map x -> s * x }"
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        layer = compile_text(text, (5,)).build(dtype)
        layer.check_assumptions()
        assert (layer.s == 2.0**-19).all()
    text = HEAD + (
        "layer A on Vec[D] ensures lower, invertible "
        "{ param V : linear lower with diag != 0 via raw init normal(std = 0.0001)  map x -> V(x) }"
    )
    torch.manual_seed(0)
    layer = compile_text(text, (200,)).build()
    diagonal = layer.V.detach().diagonal()
    assert float(diagonal.abs().min()) == 2.0**-19 and (diagonal < 0).any() and (diagonal > 0).any()
    layer.check_assumptions()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_every_dtype(dtype: torch.dtype) -> None:
    model = model_of(dtype)
    x = data(model)
    z, log_det = model(x)
    back, _ = model.inverse(z)
    assert z.dtype == log_det.dtype == back.dtype == dtype
    assert worst(back.double(), x.double()) <= {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.2}[dtype]
    with torch.no_grad():
        model.inner.Norm_0.g[0] = 0.0
    assert error_of(lambda: model.inverse(z)).value == 0.0


def test_copies_and_pickles_test_too() -> None:
    model = model_of()
    z = model(data(model))[0]
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        state = again.state_dict()
        state["inner.Norm_0.g"] = torch.zeros(2, dtype=torch.float64)
        error_of(lambda m=again, s=state: m.load_state_dict(s))
        with torch.no_grad():
            again.inner.Norm_0.g[1] = 0.0
        error_of(lambda m=again: m.inverse(z))
        model.inverse(z)


def test_frozen_weights_are_what_is_tested() -> None:
    model = model_of()
    x = data(model)
    z = model(x)[0]
    kernel = model.Conv_0[1].k
    kept = kernel.detach().clone()
    with model.frozen():
        with torch.no_grad():
            kernel[0, 0, 1, 1] = 0.0
        assert worst(model.inverse(z)[0], x) <= 1e-9  # the kept ones serve
    with model.frozen():
        with torch.no_grad():
            kernel.copy_(kept)
        assert error_of(lambda: model.inverse(z)).layer == "Conv_0.1"
    model.inverse(z)


def test_forward_compiles_and_exports_without_the_test() -> None:
    torch._dynamo.reset()
    model = model_of()
    x = data(model)
    wrapped = torch.compile(model, fullgraph=True, backend="eager")
    assert worst(wrapped(x)[0], model(x)[0]) <= 1e-12
    log_prob = torch.compile(model.log_prob, fullgraph=True, backend="eager")
    assert worst(log_prob(x), model.log_prob(x)) <= 1e-12
    state = {f"_orig_mod.{k}": v.clone() for k, v in model.state_dict().items()}
    state["_orig_mod.inner.Norm_0.g"][0] = 0.0
    error_of(lambda: wrapped.load_state_dict(state))
    program = torch.export.export(model, (x,), strict=False)
    assert "assert_async" not in str(program.graph)
    assert worst(program.module()(x)[0], model(x)[0]) <= 1e-12


class Inverse(nn.Module):
    """An inverse as a forward, to be exported."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.inverse(z, fixed=(30, 1.0))


def test_a_compiled_inverse_tests_inside_its_graph() -> None:
    torch._dynamo.reset()
    model = model_of()
    z = model(data(model))[0]
    expected = model.inverse(z, fixed=(30, 1.0))[0].detach()
    found = torch.compile(Inverse(model), fullgraph=True, backend="eager")
    program = torch.export.export(Inverse(model), (z,), strict=False)
    exported = program.module()
    for run in (found, exported):
        assert worst(run(z)[0], expected) <= 1e-12
    state = {k: v.clone() for k, v in exported.state_dict().items()}
    with torch.no_grad():
        model.inner.Norm_0.g[1] = 0.0
        key = next(k for k in state if k.endswith("Norm_0.g"))
        state[key][1] = 0.0
    exported.load_state_dict(state)
    for run in (found, exported):
        with pytest.raises(RuntimeError, match=r"diag\(g\) is finite and not 0"):
            run(z)


def test_tensors_without_numbers_are_not_looked_at() -> None:
    at = compile_text(FLOW)
    with FakeTensorMode():
        model = at.build()
        x = torch.randn(2, 2, 3, 3, dtype=torch.float64)
        assert model(x)[0].shape == x.shape and model.inner.inverse(x)[0].shape == x.shape
    meta = at.build(device="meta")
    x = torch.zeros(2, 2, 3, 3, dtype=torch.float64, device="meta")
    assert meta(x)[1].is_meta and meta.inner.inverse(x)[0].is_meta
    meta.load_state_dict(at.build(device="meta").state_dict(), assign=True)


@pytest.mark.parametrize("name", ["conv_raw", "linear_raw"])
def test_verify_breaks_the_assumption(name: str) -> None:
    found = verify(mintdsl.loads(PROGRAMS[name]))
    assert found.ok
    assert [r for r in found.rows if r.check.startswith("calls that take a diag")]


def test_random_weights_hold_the_assumption() -> None:
    model = draw(compiled("conv_raw").build(), 1)
    model.check_assumptions()
    assert any((m.s < 0).any() for m in model.modules() if hasattr(m, "s"))
