"""Log-dets by series and by roulette: the bounds that are printed, unbiasedness, gradients in constant memory.

The oracle is `slogdet` of the dense Jacobian, made by reverse differentiation of the module.
"""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from functools import cache

import pytest
import torch
from codegen_oracle import Compiled, compile_text, draw
from codegen_programs import HEAD
from torch import Tensor, nn

import mintdsl
from mintdsl.core import ir
from mintdsl.proof.rules.series import Estimate, deviations, estimated, rest, terms_for
from mintdsl.runtime import trace_series
from mintdsl.runtime.trace_series import TraceSeries, drawn_terms, roulette_variance, series_log_det, series_rest

torch.set_num_threads(1)

FLOW = """
layer A(bound: Real = 0.9) on Vec[D] ensures invertible {{
  param V : linear from Vec[D] to Vec[6] with lip <= bound
  param W : linear from Vec[6] to Vec[D] with lip <= 1
  param b : bias on Vec[6]
  map x -> x {sign} W(tanh(V(x) + b))
}}
flow F on Vec[5] ensures invertible {{
  {steps}
  prior normal
}}"""
IMAGES = """
layer A on Image[C, H, W] ensures invertible {
  space Mid = Image[3, H, W]
  param V : conv 3x3 from Image[C, H, W] to Mid with lip <= 0.9
  param W : conv 3x3 from Mid to Image[C, H, W] with lip <= 0.9
  map x -> x + W(elu(V(x)))
}
flow F on Image[2, 3, 2] ensures invertible, log_det estimate {
  A log_det series(bits_per_dim <= 1e-3)
  repeat 2 { A log_det roulette(first = 2, probes = 3) }
  prior normal
}"""


def flow(*steps: str, sign: str = "+", seed: int = 0, std: float = 3.0) -> nn.Module:
    """A flow of these steps with large weights, so that norms come near their limits."""
    return draw(program(HEAD + FLOW.format(steps="\n  ".join(steps), sign=sign)).build(), seed, std)


@cache
def program(text: str) -> Compiled:
    return compile_text(text)


def points(model: nn.Module, count: int, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return 0.3 * torch.randn(count, *model.event_shape, generator=made, dtype=torch.float64)


def dense(model: nn.Module, x: Tensor) -> Tensor:
    """log |det| [B] of the dense Jacobian."""
    size = math.prod(model.event_shape)
    with torch.enable_grad():
        rows = [torch.autograd.functional.jacobian(lambda v: model(v[None])[0], p).reshape(size, size) for p in x]
    return torch.linalg.slogdet(torch.stack(rows))[1]


def exactly(model: nn.Module) -> nn.Module:
    """A copy whose log-dets are those of dense Jacobians."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(getattr(module, "log_det", None), tuple):
            module.log_det = "exact"
    return model


# ---------------------------------------------------------------- series


@pytest.mark.parametrize("form", ["2 * x + tanh(x) - V(tanh(x))", "V(x) - x - x"])
def test_sums_whose_other_term_is_not_x(form: str) -> None:
    text = "layer A on Vec[D] ensures invertible {{ param V : linear with lip <= 1.2\n  map x -> {} }}\n"
    flows = "flow F on Vec[4] ensures invertible {{ A log_det series(terms = {}, probes = 0) }}"
    for terms in (2, 9):
        model = draw(program(HEAD + text.format(form) + flows.format(terms)).build(), std=5.0)
        x, (found,) = points(model, 4), [one for one in model.certify() if one.name == "A_0"]
        missed = (model(x)[1] - dense(model, x)).detach().abs().max()
        assert 1e-9 < float(missed) <= found.bias + 1e-10


@pytest.mark.parametrize("sign", ["+", "-"])
def test_a_series_of_exact_traces_is_within_its_bound(sign: str) -> None:
    bounds = (0.05, 0.5, 0.9, 0.99)
    steps = [f"A(bound = {bound}) log_det series(terms = 1, probes = 0)" for bound in bounds]
    for seed, std in ((0, 1.0), (1, 50.0)):
        model = flow(*steps, sign=sign, seed=seed, std=std)
        x = points(model, 4, seed)
        for k, bound in enumerate(bounds):
            layer = model.get_submodule(f"A_{k}")
            exact = dense(layer, x)
            for terms in (1, 2, 30):
                layer.log_det = layer.log_det._replace(terms=terms)
                with torch.no_grad():
                    assert float((layer(x)[1] - exact).abs().max()) <= 5 * rest(bound, terms) + 1e-10
    found = [one for one in model.certify() if "." not in one.name]
    assert [one.bias for one in found] == pytest.approx([5 * rest(bound, 30) for bound in bounds], rel=1e-9)
    assert [one.deviation for one in found] == [0.0] * 4


def test_the_bound_is_attained() -> None:
    eye = torch.eye(5, dtype=torch.float64)
    for contraction in (0.1, 0.5, 0.9):
        for terms in (1, 3, 12):
            found = series_log_det(lambda v, c=contraction: v - c * v @ eye, eye[:1], TraceSeries(terms, probes=0))
            off = abs(float(found) - 5 * math.log1p(-contraction))
            assert off == pytest.approx(5 * rest(contraction, terms), rel=1e-9)


@pytest.mark.parametrize("contraction", [1e-200, 1e-8, 0.05, 0.5, 0.729, 0.9, 0.99, 0.999999])
def test_what_a_series_misses(contraction: float) -> None:
    sums, exact = 0.0, -math.log1p(-contraction)
    for terms in range(1, 80):
        sums += contraction**terms / terms
        assert rest(contraction, terms) >= exact - sums - 1e-14 * terms
        assert rest(contraction, terms) == pytest.approx(series_rest(contraction, terms), rel=1e-11)
        if exact - sums > 1e-6 and contraction < 0.9999:
            assert rest(contraction, terms) == pytest.approx(exact - sums, rel=1e-6)


def test_terms_from_a_bound() -> None:
    nats = 1e-3 * math.log(2) / 48
    assert (terms_for(0.5, nats), terms_for(0.729, nats), terms_for(0.9, nats)) == (13, 28, 84)
    for contraction in (0.3, 0.8, 0.95):
        for bias in (1e-1, 1e-3, 1e-6):
            terms = terms_for(contraction, bias)
            assert rest(contraction, terms) <= bias and (terms == 1 or rest(contraction, terms - 1) > bias)
    assert terms_for(0.99999, 1e-9) == 0


def test_copies_add_up_and_words_say_so() -> None:
    text = HEAD + FLOW.format(steps="repeat 48 { A(bound = 0.729) log_det series(bits_per_dim <= 2e-5) }", sign="+")
    proof = next(r.proof for r in mintdsl.loads(text).check().results if r.name == "F")
    one = rest(0.729, 29) if proof.estimates["A_0"].terms == 29 else rest(0.729, 28)
    assert proof.passage.bias == pytest.approx(48 * one, rel=1e-9) and proof.log_det == "estimate"
    source = mintdsl.loads(text).generate("F")
    assert "-log2 p(x) per dimension [*]; its log-det is an estimate of bounded bias (0.0" in source


# ---------------------------------------------------------------- unbiased


def spread(samples: Tensor, exact: Tensor) -> Tensor:
    """How many standard errors the means [B] of samples [n, B] are off."""
    return (samples.mean(0) - exact).abs() / (samples.std(0) / len(samples) ** 0.5)


HOWS = ("series(bits_per_dim <= 1e-7)", "roulette(first = 2)", "roulette(first = 1, probes = 0)")


@pytest.mark.parametrize("how", HOWS)
def test_estimates_have_the_right_mean_and_a_bounded_variance(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = flow(*(f"A(bound = {bound}) log_det {how}" for bound in (0.5, 0.7, 0.9)))
    x, made = points(model, 1), torch.Generator().manual_seed(7)
    for found in [one for one in model.certify() if "." not in one.name]:
        layer = model.get_submodule(found.name)
        w = layer.effective_weights()
        drawn = torch.tensor([drawn_terms(layer.log_det, generator=made) for _ in range(1000)])
        rows = []
        for terms in drawn.unique().tolist():  # those calls that draw the same number of terms, side by side
            monkeypatch.setattr(trace_series, "drawn_terms", lambda how, generator, terms=terms: terms)
            batch = x.expand(int((drawn == terms).sum()), -1)
            with torch.no_grad():
                rows.append(series_log_det(lambda v, f=layer, w=w: f.value(v, w), batch, layer.log_det, generator=made))
        samples = torch.cat(rows)[:, None]
        assert float(spread(samples, dense(layer, x))) <= 3
        assert 0 < float(samples.std()) <= found.deviation


def test_the_printed_deviation_is_that_of_the_module() -> None:
    for how in (TraceSeries(4, 0.0, 1), TraceSeries(2, 0.6, 2), TraceSeries(3, 0.9, 0)):
        rolled, probed = deviations(Estimate(how.terms, how.keep, how.probes, 0.7, 0.0))
        assert rolled**2 == pytest.approx(roulette_variance(0.7, how) if how.keep else 0.0, rel=1e-9)
        assert probed**2 == pytest.approx(2 / how.probes * math.log(0.3) ** 2 if how.probes else 0.0, rel=1e-9)


@pytest.mark.parametrize("order", [1.0, 2.0, math.inf])
def test_the_deviation_of_probes_holds_in_each_norm(order: float) -> None:
    """Over all vectors of -1 and 1: of one probe of the whole series, and of each power, for branches of norm L."""
    made = torch.Generator().manual_seed(int(2 * min(order, 4)))
    for case in range(60):
        size, limit = 2 + case % 5, (0.3, 0.7, 0.95)[case % 3]
        branch = torch.randn(size, size, generator=made, dtype=torch.float64) ** (1 + 2 * (case % 2))
        if case % 4 == 0:  # one row, or one column: as large as the norm lets the rest be
            branch = branch[:1].expand(size, size) if order == 1.0 else branch[:, :1].expand(size, size)
        branch = branch * limit / torch.linalg.matrix_norm(branch, order)
        probes = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=size)), dtype=torch.float64)
        total, power = torch.zeros_like(branch), torch.eye(size, dtype=torch.float64)
        for k in range(1, 60):
            power = power @ branch
            total = total - (-1) ** k * power / k
            traces = torch.einsum("ni,ij,nj->n", probes, power, probes)
            assert float(traces.abs().max()) <= size * limit**k * (1 + 1e-12)
            assert float(power.square().sum()) <= size * limit ** (2 * k) * (1 + 1e-12)
            if k in (2, 10, 59):
                found = torch.einsum("ni,ij,nj->n", probes, total, probes)
                exact, missed = float(torch.linalg.slogdet(torch.eye(size) + branch)[1]), rest(limit, k)
                rolled, probed = deviations(Estimate(k, 0.0, 1, limit, missed))
                assert float(found.std(correction=0)) <= probed * size**0.5 * (1 + 1e-12) and rolled == 0.0
                assert abs(float(found.mean()) - exact) <= size * missed + 1e-12


def test_the_number_of_terms_is_geometric() -> None:
    made, how = torch.Generator().manual_seed(3), TraceSeries(2, keep=0.75)
    drawn = torch.tensor([drawn_terms(how, made) for _ in range(20_000)])
    assert int(drawn.min()) == 2
    for more in range(1, 12):
        share, p = float((drawn >= 2 + more).double().mean()), 0.75**more
        assert abs(share - p) <= 4 * math.sqrt(p * (1 - p) / len(drawn))
    assert drawn_terms(TraceSeries(5)) == 5


def test_keep_is_above_the_square() -> None:
    chosen = estimated(ir.LogDet("roulette", 4, probes=1), 0.9)
    assert isinstance(chosen, Estimate) and chosen.keep == pytest.approx(0.905) and chosen.bias == 0
    for keep, good in ((0.809, False), (0.811, True), (0.2, False)):
        assert isinstance(estimated(ir.LogDet("roulette", 4, keep=keep, probes=1), 0.9), Estimate) == good
    assert not isinstance(estimated(ir.LogDet("roulette", 4, keep=0.25), 0.5), Estimate)
    last = math.nextafter(1.0, 0.0)
    edge = estimated(ir.LogDet("roulette", 1), last)
    assert not isinstance(edge, Estimate) or last * last < edge.keep < 1


# ---------------------------------------------------------------- gradients


def gradients(model: nn.Module, x: Tensor) -> Tensor:
    """Those of the mean of log-dets, by x (summed over the batch) and by all parameters, as one vector."""
    point = x.clone().requires_grad_()
    at, *found = torch.autograd.grad(model(point)[1].mean(), [point, *model.parameters()], materialize_grads=True)
    return torch.cat([at.sum(0), *(g.flatten() for g in found)])


@pytest.mark.parametrize("sign", ["+", "-"])
def test_the_gradient_of_exact_traces_is_that_of_the_series(sign: str) -> None:
    model = flow("A(bound = 0.6) log_det series(terms = 60, probes = 0)", sign=sign, std=1.0)
    x = points(model, 3)
    torch.testing.assert_close(gradients(model, x), gradients(exactly(model), x), rtol=1e-9, atol=1e-10)
    model.A_0.log_det = model.A_0.log_det._replace(terms=3)  # few terms: the derivative of what they give
    found, h = gradients(model, x[:1])[:5], 1e-6
    with torch.no_grad():
        moved = [model(x[:1] + h * e)[1] - model(x[:1] - h * e)[1] for e in torch.eye(5, dtype=torch.float64)]
    torch.testing.assert_close(found, torch.cat(moved) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("how", ["series(bits_per_dim <= 1e-8)", "roulette(first = 2)"])
def test_the_mean_gradient_is_the_exact_one(how: str) -> None:
    model = flow(f"A(bound = 0.7) log_det {how}", std=1.0)
    x = points(model, 1)
    exact = gradients(exactly(model), x)
    torch.manual_seed(5)
    samples = torch.stack([gradients(model, x.expand(20, -1)) for _ in range(120)])
    off = (samples.mean(0) - exact).abs()
    error = samples.std(0) / len(samples) ** 0.5
    assert bool((off <= 4 * error + 1e-12).all())
    assert float((off / error.clamp(min=1e-12)).square().mean()) <= 2
    assert float(samples.std(0).max()) < 10


def test_the_graph_does_not_grow_with_the_number_of_terms() -> None:
    """What it holds is kept until the backward pass."""

    def nodes(how: str) -> int:
        model = flow(f"A log_det {how}")
        found, stack = set(), [model(points(model, 2))[1].sum().grad_fn]
        while stack:
            node = stack.pop()
            if node is not None and node not in found:
                found.add(node)
                stack += [inner for inner, _ in node.next_functions]
        return len(found)

    assert nodes("series(terms = 40)") == nodes("series(terms = 2)") > 0
    assert nodes("roulette(first = 40, probes = 0)") == nodes("series(terms = 2, probes = 0)")


def test_gradients_pass_through_functional_calls_and_inverses() -> None:
    model = flow("A(bound = 0.6) log_det series(terms = 60, probes = 0)", std=1.0)
    state = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    x = points(model, 2)
    called = torch.func.functional_call(model, state, (x,))[1].sum()
    found = torch.cat([g.flatten() for g in torch.autograd.grad(called, list(state.values()))])
    torch.testing.assert_close(found, 2 * gradients(model, x)[5:])
    z = model(x)[0].detach()
    both = []
    for one in (model, exactly(model)):
        point = z.clone().requires_grad_()
        both.append(
            torch.cat(
                [g.flatten() for g in torch.autograd.grad(one.inverse(point)[1].sum(), [point, *one.parameters()])]
            )
        )
    torch.testing.assert_close(*both, rtol=1e-6, atol=1e-8)


# ---------------------------------------------------------------- modules


def test_a_flow_of_images() -> None:
    model = draw(compile_text(HEAD + IMAGES).build(), std=1.0)
    x = points(model, 3)
    torch.manual_seed(0)
    first, second = model(x), model(x)
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])
    back, _ = model.inverse(first[0])
    assert float((back - x).detach().abs().max()) < 1e-9
    torch.manual_seed(0)
    again = pickle.loads(pickle.dumps(model.state_dict()))
    model.load_state_dict(again)
    assert torch.equal(copy.deepcopy(model)(x)[1], first[1])
    (series, one, two) = [found for found in model.certify() if "log_det" in str(found)]
    assert series.bias <= 12 * 1e-3 * math.log(2) and one.bias == two.bias == 0
    assert 0 < one.deviation < series.deviation * 2
    model(x)[1].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert model.log_prob(x).shape == (3,) and model(x[:0])[1].shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_numbers(dtype: torch.dtype) -> None:
    model = flow("A log_det series(bits_per_dim <= 1e-4, probes = 0)", std=1.0)
    x = points(model, 4)
    exact = model(x)[1]
    narrow = copy.deepcopy(model).to(dtype)(x.to(dtype))[1]
    assert narrow.dtype == dtype
    off = float((narrow.double() - exact).detach().abs().max())
    assert off <= (1e-5 if dtype == torch.float32 else 0.2)


def test_compiled_and_on_the_meta_device() -> None:
    model = flow("A log_det series(terms = 6, probes = 0)", "A log_det series(terms = 4)")
    x = points(model, 3)
    wrapped = torch.compile(model, fullgraph=True, backend="eager")
    torch.manual_seed(1)
    expected = model(x)
    torch.manual_seed(1)
    found = wrapped(x)
    assert float((found[0] - expected[0]).detach().abs().max()) <= 1e-12
    assert found[1].shape == (3,) and bool(torch.isfinite(found[1]).all())
    found[1].sum().backward()
    at = compile_text(HEAD + FLOW.format(steps="A log_det series(terms = 4)  A log_det roulette(first = 1)", sign="+"))
    assert at.build(device="meta")(x.to("meta"))[1].shape == (3,)


def test_limits() -> None:
    size = trace_series.TRACE_LIMIT + 1
    with pytest.raises(ValueError, match="`probes = 0` takes exact traces, for at most 4096 elements"):
        series_log_det(lambda v: 1.5 * v, torch.zeros(1, size), TraceSeries(1, probes=0))
    model = flow("A log_det exact")
    with pytest.raises(ValueError, match='log_det is "exact", "none" or a TraceSeries'):
        type(model.A_0)((5,), log_det="series")
