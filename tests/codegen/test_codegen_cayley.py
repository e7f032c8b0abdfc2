"""Generated Cayley maps against dense algebra: values, slopes, log-dets, both directions, gradients, estimates."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from codegen_oracle import Compiled, compile_text, draw, near_initial, reference, worst
from torch import Tensor, nn

from mintdsl.proof.rules.series import Estimate, deviations, rest, terms_for
from mintdsl.runtime import trace_series
from mintdsl.runtime.trace_series import TraceSeries, drawn_terms, roulette_variance, series_log_det, series_rest

torch.set_num_threads(1)

HEAD = """mint 1
net Branch(width: Nat) from Vec[D] to Vec[D] {
  param V : linear from Vec[D] to Vec[width] with lip <= 0.9
  param W : linear from Vec[width] to Vec[D] with lip <= 1
  param b : bias on Vec[width]
  map x -> W(tanh(V(x) + b))
}
net Both from Vec[D], Vec[M] to Vec[D] {
  param V : linear from Vec[D + M] to Vec[D] with lip <= 0.8
  map x, y -> tanh(V(concat(x, y)))
}
net Grow from Image[C, H, W] to Image[C, H, W] {
  space Mid = Image[3, H, W]
  param V : conv 3x3 from Image[C, H, W] to Mid with lip <= 0.9
  param W : conv 1x2 (anchor = top_left) from Mid to Image[C, H, W] with lip <= 0.9
  map x -> W(softplus(V(x)))
}
layer Net(width: Nat = 6) on Vec[D] ensures invertible {
  param n : net Branch(width = width)
  map x -> cayley(n)(x)
}
layer Matrix(bound: Real = 0.8) on Vec[D] ensures invertible {
  param M : linear with lip <= bound
  map x -> cayley(M)(x)
}
layer Given on Vec[D] given y : Vec[M] ensures invertible {
  param n : net Both from Vec[D], Vec[M] to Vec[D]
  map x -> cayley(n)(x, y)
}
layer Pixels on Image[C, H, W] ensures invertible {
  param n : net Grow
  map x -> cayley(n)(x)
}
"""
FLOWS = {
    "net": "flow F on Vec[5] ensures invertible { Net log_det exact }",
    "matrix": "flow F on Vec[4] ensures invertible { Matrix log_det exact }",
    "pixels": "flow F on Image[2, 2, 3] ensures invertible { Pixels log_det exact }",
    "both ways": "flow F on Vec[4] ensures invertible { Net(direction = inverse) log_det exact  "
    "Matrix log_det exact  prior normal }",
    "given": "flow F on Vec[4] given y : Vec[2] ensures invertible { Given log_det exact }",
}


def program(name: str) -> Compiled:
    return compile_text(HEAD + FLOWS.get(name, name))


def points(model: nn.Module, count: int, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(count, *model.event_shape, generator=made, dtype=torch.float64)


def contexts(model: nn.Module, count: int) -> tuple[Tensor, ...]:
    shape = model.context_shape
    made = torch.Generator().manual_seed(9)
    return () if shape is None else (torch.randn(count, *shape, generator=made, dtype=torch.float64),)


def dense(model: nn.Module, x: Tensor, *context: Tensor) -> Tensor:
    """The Jacobian [D, D] at x."""
    return torch.autograd.functional.jacobian(lambda v: model(v, *context)[0], x).reshape(x.numel(), x.numel())


def layer_of(model: nn.Module) -> nn.Module:
    return next(m for m in model.modules() if hasattr(m, "branch"))


# ---------------------------------------------------------------- values and slopes


@pytest.mark.parametrize("name", FLOWS)
def test_it_means_what_the_interpreter_says(name: str) -> None:
    at = program(name)
    for std in (0.4, 4.0):
        model = draw(at.build(), std=std)
        x, given = points(model, 2), contexts(model, 2)
        known = reference(at, model, x, *given)
        z, log_det = model(x, *given)
        assert worst(z.flatten(1), known.value) <= 1e-10 and worst(log_det, known.log_det) <= 1e-10
        for k, row in enumerate(x):
            jacobian = dense(model, row, *(c[k] for c in given))
            assert worst(jacobian, known.jacobian[k]) <= 1e-10
            assert torch.linalg.slogdet(jacobian)[1] == pytest.approx(float(log_det[k].detach()), abs=1e-10)


def test_of_a_matrix_it_is_the_cayley_transform() -> None:
    model = draw(program("matrix").build(), std=3.0)
    matrix, eye = model.Matrix_0.effective("M").detach(), torch.eye(4, dtype=torch.float64)
    cayley = (eye - matrix) @ torch.linalg.inv(eye + matrix)
    x = points(model, 6)
    with torch.no_grad():
        (z, log_det), (back, minus) = model(x), model.inverse(x)
    assert worst(z, x @ cayley.T) <= 1e-10 and worst(back, torch.linalg.solve(cayley, x.T).T) <= 1e-10
    wanted = torch.linalg.slogdet(cayley)[1].expand(6)
    assert worst(log_det, wanted) <= 1e-12 and worst(minus, -wanted) <= 1e-12


def test_the_published_form_is_that_of_a_rescaled_branch() -> None:
    """w = (I + g)^-1(sqrt(2) x), y = sqrt(2) w - x, and the same for 1 / sqrt(2) g(sqrt(2) u)."""
    text = HEAD.replace("W(tanh(V(x) + b))", "W(tanh(V(1.4142135623730951 * x) + b)) / 1.4142135623730951")
    scaled = draw(compile_text(text + "flow F on Vec[5] ensures invertible { Net }").build(), std=3.0)
    plain = draw(program("flow F on Vec[5] ensures invertible { Net }").build(), std=3.0)
    x, branch = points(plain, 5), layer_of(plain)
    with torch.no_grad():
        w = x
        for _ in range(200):
            w = math.sqrt(2) * x - branch.branch(w, branch.effective_weights())
        assert worst(scaled(x)[0], math.sqrt(2) * w - x) <= 1e-10


@pytest.mark.parametrize("name", ["net", "matrix", "pixels", "given"])
@pytest.mark.parametrize("std", [0.3, 5.0, 50.0])
def test_slopes_lie_where_the_proof_says(name: str, std: float) -> None:
    model = draw(program(name).build(), std=std)
    least = (1 - layer_of(model).contraction) / (1 + layer_of(model).contraction)
    x, given = points(model, 3), contexts(model, 3)
    for k, row in enumerate(x):
        jacobian = dense(model, row, *(c[k] for c in given))
        values = torch.linalg.svdvals(jacobian)
        assert least * (1 - 1e-9) <= float(values.min()) and float(values.max()) <= (1 + 1e-9) / least
        assert float(torch.linalg.eigvalsh(jacobian + jacobian.T).min()) > 0  # monotone


# ---------------------------------------------------------------- both directions


@pytest.mark.parametrize("name", FLOWS)
def test_both_directions_take_the_promised_steps(name: str) -> None:
    model = draw(program(name).build(), std=10.0)
    x, given = 5 * points(model, 5), contexts(model, 5)
    with torch.no_grad():
        z, log_det = model(x, *given)
        back, minus = model.inverse(z, *given)
        layers = [m for m in model.modules() if hasattr(m, "branch")]
        found = [(m, info) for m in layers for info in (m.last_forward, m.last_inverse)]
        assert worst(back, x) <= 1e-9 and worst(minus, -log_det) <= 1e-9
        for layer, info in found:
            # |g(x)| <= |x| L + |g(0)|, and no weight here makes that larger than 100
            steps = math.log(1e-11 * (1 - layer.contraction) / 100) / math.log(layer.contraction) + 3
            assert info.stage == "Banach iteration" and 0 < info.steps <= steps
        if len(layers) == 1:
            rounding = 1e-13 * (1 + z.abs()).flatten(1).norm(dim=1) * 2 / (1 - layers[0].contraction)
            apart = (back - x).flatten(1).norm(dim=1)
            assert bool((apart <= layers[0].last_inverse.error + rounding).all())
        layer = layer_of(model)
        with pytest.raises(RuntimeError, match="did not converge to an error of 1e-11") as caught:
            layer.inverse(points(layer, 3), *contexts(layer, 3), max_iter=1)
        assert pickle.loads(pickle.dumps(caught.value)).tol == pytest.approx(1e-11 * (1 - layer.contraction))
        for method in (layer, layer.inverse):
            with pytest.raises(RuntimeError, match="is not finite"):
                method(torch.full_like(x, math.nan), *given)
        z, _ = layer(x, *given)
        assert worst(layer.inverse(z, *given, fixed=(400, 1.0))[0], x) <= 1e-9
        assert worst(layer.inverse(z, *given, fixed=(1, 1.0))[0], x) > 1e-3


def test_the_tolerance_of_a_flow_reaches_a_map_that_stands_inverted() -> None:
    """What undoes its inverse is its forward, a solve too: steps and errors are those that were asked for."""
    model = draw(program("both ways").build(), std=10.0)
    z, steps = 5 * points(model, 6), []
    undone, plain = [m for m in model.modules() if hasattr(m, "branch")]
    with torch.no_grad():
        exact, _ = model.inverse(z, tol=1e-12)
        for tol in (1e-2, 1e-5, 1e-8):
            back, _ = model.inverse(z, tol=tol)
            middle, _ = plain.inverse(z, tol=tol)
            steps.append(undone.last_forward.steps)
            room = 2 * tol * (1 + middle.abs()).flatten(1).norm(dim=1)
            assert bool((undone.last_forward.error <= room * (1 + 1e-6)).all())
            assert 0 < worst(back, exact) <= 400 * tol
        assert steps[0] < steps[1] < steps[2]
        with pytest.raises(RuntimeError, match="did not converge"):
            plain(z, max_iter=1)
        with pytest.raises(RuntimeError, match="did not converge"):
            undone(z, tol=1e-9, max_iter=3)


def test_the_inverse_is_the_cayley_map_of_the_negative() -> None:
    model = draw(program("net").build(), std=2.0)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            if name.endswith("W"):
                parameter.neg_()
        x = points(model, 4)
        (z, log_det), (back, minus) = other(x), model.inverse(x)
    assert worst(z, back) <= 1e-10 and worst(log_det, minus) <= 1e-10


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("inverse", [False, True])
def test_gradients_reach_inputs_contexts_and_weights(name: str, inverse: bool) -> None:
    model = near_initial(program(name).build())
    x, given = points(model, 2).requires_grad_(), tuple(c.requires_grad_() for c in contexts(model, 2))
    weights = points(model, 2, seed=1)

    def loss() -> Tensor:
        value, log_det = (model.inverse if inverse else model)(x, *given)
        return (weights * value).sum() + log_det.sum()

    held = [x, *given, *model.parameters()]
    found = torch.autograd.grad(loss(), held)
    torch.manual_seed(2)
    for one, gradient in zip(held, found, strict=True):
        direction, ends = torch.randn_like(one), []
        with torch.no_grad():
            for step in (1e-4, -2e-4, 1e-4):
                one.add_(step * direction)
                ends.append(float(loss()))
        expected = (ends[0] - ends[1]) / 2e-4
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_second_derivatives_are_refused() -> None:
    model = near_initial(program("net").build())
    x = points(model, 2).requires_grad_()
    (slope,) = torch.autograd.grad(model(x)[1].sum(), x)
    assert torch.isfinite(slope).all()
    with pytest.raises(RuntimeError, match="second derivatives through the inverse are not supported"):
        torch.autograd.grad(model(x)[1].sum(), x, create_graph=True)


# ---------------------------------------------------------------- the module


@pytest.mark.parametrize("name", FLOWS)
def test_dtypes_devices_and_copies(name: str) -> None:
    at = program(name)
    model = near_initial(at.build())
    x, given = points(model, 3), contexts(model, 3)
    z, log_det = (t.detach() for t in model(x, *given))
    again = copy.deepcopy(model)(x, *given)
    assert torch.equal(again[0], z) and torch.equal(again[1], log_det)
    single = copy.deepcopy(model).float()
    small = [t.float() for t in (x, *given)]
    y, found = single(*small)
    assert y.dtype == torch.float32 and worst(y.double(), z) <= 1e-4 and worst(found.double(), log_det) <= 1e-4
    assert worst(single.inverse(y, *small[1:])[0].double(), x) <= 1e-3
    with torch.autocast("cpu", torch.bfloat16):
        y, found = single(*small)
    assert worst(y.double(), z) <= 1e-4 and found.dtype == torch.float32  # solved in float32
    empty = model(x[:0], *(c[:0] for c in given))
    assert empty[0].shape == x[:0].shape and empty[1].shape == (0,)
    meta = at.build(device="meta")(*(t.to("meta") for t in (x, *given)))
    assert meta[0].shape == z.shape and meta[1].shape == (3,)
    with torch.device("meta"):  # new tensors are made where the arguments are
        made = model(x, *given)
        (made[1].sum() + model.inverse(z, *given)[0].sum()).backward()
    assert torch.equal(made[0], z)
    one = model(x[0], *(c[0] for c in given))
    assert worst(one[0], z[0]) <= 1e-10 and one[1].shape == ()


def test_a_solve_breaks_the_graph_and_fixed_steps_do_not() -> None:
    torch._dynamo.reset()
    layer = layer_of(near_initial(program("matrix").build()))
    x = points(layer, 3)
    whole = torch.compile(layer, backend="eager")(x)
    assert worst(whole[0], layer(x)[0]) <= 1e-12 and worst(whole[1], layer(x)[1]) <= 1e-12
    fixed = torch.compile(lambda v: layer.inverse(v, fixed=(3, 1.0))[0], fullgraph=True, backend="eager")
    assert worst(fixed(x), layer.inverse(x, fixed=(3, 1.0))[0]) <= 1e-12


def test_parameters_may_be_called_like_methods_of_others() -> None:
    text = HEAD.replace("param n : net Both", "param branch : net Both").replace(
        "cayley(n)(x, y)", "cayley(branch)(x, y)"
    )
    model = near_initial(compile_text(text + FLOWS["given"]).build())
    x, given = points(model, 3), contexts(model, 3)
    assert worst(model.inverse(model(x, *given)[0], *given)[0], x) <= 1e-9


def test_formals_decide_the_contraction_and_norms_are_certified() -> None:
    model = draw(program("flow F on Vec[3] ensures invertible { Net  Matrix(bound = 0.5)  Matrix }").build(), std=9.0)
    assert [m.contraction for m in (model.Net_0, model.Matrix_0, model.Matrix_1)] == [0.9, 0.5, 0.8]
    found = {one.name: one for one in model.certify()}
    assert set(found) == {"Net_0.n.V", "Net_0.n.W", "Matrix_0.M", "Matrix_1.M"}
    assert all(one.lower <= one.limit and one.upper <= one.limit * (1 + 1e-7) for one in found.values())
    with pytest.raises(ValueError, match="is proved for"):
        type(model.Matrix_0)((3,), bound=0.95)


# ---------------------------------------------------------------- odd series


@pytest.mark.parametrize("contraction", [1e-200, 1e-8, 0.05, 0.5, 0.9, 0.99, 0.999999])
def test_what_an_odd_series_misses(contraction: float) -> None:
    sums, exact = 0.0, math.log1p(contraction) - math.log1p(-contraction)
    for terms in range(1, 80):
        sums += 2 * contraction ** (2 * terms - 1) / (2 * terms - 1)
        missed = rest(contraction, terms, odd=True)
        assert missed >= exact - sums - 1e-14 * terms
        assert missed == pytest.approx(series_rest(contraction, terms, odd=True), rel=1e-11)
        if exact - sums > 1e-6 and contraction < 0.9999:
            assert missed == pytest.approx(exact - sums, rel=1e-6)
    for bias in (1e-1, 1e-6):
        terms = terms_for(0.9, bias, odd=True)
        assert rest(0.9, terms, odd=True) <= bias < rest(0.9, terms - 1, odd=True)


def test_the_odd_bound_is_attained() -> None:
    eye = torch.eye(5, dtype=torch.float64)
    for contraction in (0.1, 0.5, 0.9):
        for terms in (1, 3, 12):
            how = TraceSeries(terms, probes=0, odd=True)
            found = series_log_det(lambda v, c=contraction: v + c * v @ eye, eye[:1], how)
            off = abs(float(found) - 5 * (math.log1p(-contraction) - math.log1p(contraction)))
            assert off == pytest.approx(5 * rest(contraction, terms, odd=True), rel=1e-9)


def test_a_series_of_exact_traces_is_within_its_printed_bound() -> None:
    bounds = (0.05, 0.5, 0.9, 0.99)
    steps = " ".join(f"Matrix(bound = {bound}) log_det series(terms = 1, probes = 0)" for bound in bounds)
    model = draw(program(f"flow F on Vec[5] ensures invertible {{ {steps} prior normal }}").build(), std=20.0)
    x = points(model, 3)
    for k, bound in enumerate(bounds):
        layer = model.get_submodule(f"Matrix_{k}")
        exact = torch.stack([torch.linalg.slogdet(dense(layer, row))[1] for row in x])
        for terms in (1, 2, 30):
            layer.log_det = layer.log_det._replace(terms=terms)
            assert layer.log_det.odd
            with torch.no_grad():
                missed = float((layer(x)[1] - exact).abs().max())
            assert missed <= 5 * rest(bound, terms, odd=True) + 1e-10
            assert terms > 1 or missed > 1e-9
    found = [one for one in model.certify() if "." not in one.name]
    assert [one.bias for one in found] == pytest.approx([5 * rest(bound, 30, odd=True) for bound in bounds], rel=1e-9)


def test_estimates_are_unbiased_and_vary_no_more_than_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    hows = ("series(bits_per_dim <= 1e-7)", "roulette(first = 1)", "roulette(first = 2, keep = 0.67, probes = 0)")
    steps = " ".join(f"Matrix log_det {how}" for how in hows)
    model = draw(program(f"flow F on Vec[5] ensures invertible {{ {steps} prior normal }}").build(), std=9.0)
    x, made = points(model, 1), torch.Generator().manual_seed(7)
    for found in [one for one in model.certify() if "." not in one.name]:
        layer = model.get_submodule(found.name)
        w = layer.effective_weights()
        middle = (x + layer(x)[0].detach()) / 2  # w + g(w) = x, w - g(w) = y
        drawn = torch.tensor([drawn_terms(layer.log_det, generator=made) for _ in range(1500)])
        rows = []
        for terms in drawn.unique().tolist():  # those calls that draw the same number of terms, side by side
            monkeypatch.setattr(trace_series, "drawn_terms", lambda how, generator, terms=terms: terms)
            batch = middle.expand(int((drawn == terms).sum()), -1)
            with torch.no_grad():
                half = lambda v, f=layer, w=w: v + f.branch(v, w)  # noqa: E731
                rows.append(series_log_det(half, batch, layer.log_det, generator=made))
        monkeypatch.undo()
        samples = torch.cat(rows)
        exact = torch.linalg.slogdet(dense(layer, x[0]))[1]
        assert float((samples.mean() - exact).abs() / (samples.std() / len(samples) ** 0.5)) <= 3
        assert 0 < float(samples.std()) <= found.deviation


def test_the_printed_deviation_is_that_of_the_module() -> None:
    steep = math.log(1.7 / 0.3)
    for how in (TraceSeries(4, 0.0, 1, True), TraceSeries(2, 0.6, 2, True), TraceSeries(3, 0.9, 0, True)):
        rolled, probed = deviations(Estimate(how.terms, how.keep, how.probes, 0.7, 0.0, odd=True))
        assert rolled**2 == pytest.approx(roulette_variance(0.7, how) if how.keep else 0.0, rel=1e-9)
        assert probed**2 == pytest.approx(2 / how.probes * steep**2 if how.probes else 0.0, rel=1e-9)
    weights = [2 * 0.7 ** (2 * k - 1) / (2 * k - 1) for k in range(1, 400)]
    wanted = sum(w * w / 0.6 ** (k - 2) for k, w in enumerate(weights, 1) if k > 2) * (1 + 0.49) / (1 - 0.49)
    assert roulette_variance(0.7, TraceSeries(2, 0.6, 2, True)) == pytest.approx(wanted, rel=1e-9)


def test_the_gradient_of_a_long_series_is_that_of_the_exact_log_det() -> None:
    how = "series(terms = 150, probes = 0)"
    model = near_initial(program(f"flow F on Vec[5] ensures invertible {{ Net log_det {how} }}").build())
    x = points(model, 3)
    found = torch.autograd.grad(model(x)[1].sum(), list(model.parameters()))
    layer_of(model).log_det = "exact"
    wanted = torch.autograd.grad(model(x)[1].sum(), list(model.parameters()))
    assert all(worst(a, b) <= 1e-10 for a, b in zip(found, wanted, strict=True))
