"""What generated modules compute, against the interpreter, autograd and differences, over many small programs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch
from codegen_oracle import (
    compile_text,
    compiled,
    data_of,
    dense_jacobian,
    draw,
    expected_keys,
    expected_weights,
    is_flag,
    raw_of,
    reference,
    used,
    worst,
)
from codegen_programs import ACTS, FAMILIES, FLOWS, FORMULAS, HEAD, NAMES, PROGRAMS
from torch import Tensor, nn

import mintdsl

torch.set_num_threads(1)


@pytest.mark.parametrize("name", PROGRAMS)
def test_module_means_what_the_interpreter_says(name: str) -> None:
    at = compiled(name)
    model = draw(at.build())
    x = data_of(at, 2)
    expected = reference(at, model, x)
    z, log_det = model(x)
    assert worst(z.flatten(1), expected.value) <= 1e-12
    jacobian = torch.stack([dense_jacobian(model, row) for row in x])
    assert worst(jacobian, expected.jacobian) <= 1e-12
    assert not jacobian[expected.jacobian == 0].any()
    if log_det is not None:
        assert worst(log_det, expected.log_det) <= 1e-12
    if hasattr(model, "jacobian_diagonal"):
        own = model.jacobian_diagonal(x).flatten(1)
        assert worst(own, jacobian.diagonal(dim1=1, dim2=2)) <= 1e-12
        assert (torch.broadcast_to(own, expected.jacobian.shape[:2]) != 0).all()


@pytest.mark.parametrize("name", PROGRAMS)
def test_inverse_takes_back(name: str) -> None:
    at = compiled(name)
    model = draw(at.build())
    x = data_of(at, 3)
    with torch.no_grad():
        z, log_det = model(x)
        back, inverse_log_det = model.inverse(z)
        assert worst(back, x) <= 1e-8
        assert worst(model(back)[0], z) <= 1e-10
        if log_det is None:
            assert inverse_log_det is None
        else:
            assert worst(inverse_log_det, -log_det) <= 1e-8


@pytest.mark.parametrize("name", PROGRAMS)
def test_effective_values(name: str) -> None:
    at = compiled(name)
    model = draw(at.build(), seed=1)
    modules = used(at, model)
    for key, values in expected_weights(at, model).items():
        prefix, dot, parameter = key.rpartition(".")
        found = modules[prefix + dot].effective(parameter).detach()
        assert worst(found.flatten(), torch.tensor(values, dtype=torch.float64)) <= 1e-12
        low = name.startswith("low_rank") and parameter in "VW"  # stored as U and V, shown as the matrix
        assert tuple(found.shape) == expected_keys(at)[key] or (low and found.shape[0] == found.shape[1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_state_dict_has_the_names_of_the_spec(name: str) -> None:
    at = compiled(name)
    state = {key: tuple(value.shape) for key, value in at.build().state_dict().items()}
    state = {key: shape for key, shape in state.items() if not key.endswith("_count") and not key.startswith("head.")}
    state = {key: shape for key, shape in state.items() if not is_flag(key)}
    expected = expected_keys(at)
    if name in NAMES:  # Python and torch need some of these names: they end in an underscore more there
        assert [shape for _, shape in sorted(state.items())] == [s for _, s in sorted(renamed(expected, state).items())]
    else:
        assert state == expected


def renamed(expected: dict[str, tuple[int, ...]], state: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """`expected` under the keys of `state`, which differ by underscores and a first `p_` only."""
    found = {}
    for key, shape in expected.items():
        near = [key] if key in state else [k for k in state if bare(k) == bare(key) and k not in {*expected, *found}]
        assert near, key
        found[near[0]] = shape
    assert len(found) == len(state)
    return found


def bare(key: str) -> str:
    return re.sub(r"(^|\.)p_", r"\1", key).replace("_", "")


def test_there_are_enough_programs() -> None:
    assert len(PROGRAMS) >= 100


@pytest.mark.parametrize(
    "name", ["conv_corner", "conv_cinc", "flow_emerging", "conv_channel_major", "linear_twice", "tie_three"]
)
def test_inverse_reaches_its_tolerance_where_it_can(name: str) -> None:
    """Normal weights: the last bits of early elements must not keep later ones from their solution."""
    at = compiled(name)
    tried = 0
    for seed in range(12):
        model = draw(at.build(), seed, 0.7)
        x = data_of(at, 2, seed)
        worst_gain = max(float(1 / torch.linalg.svdvals(dense_jacobian(model, row)).amin()) for row in x)
        if worst_gain < 1e8:
            tried += 1
            with torch.no_grad():
                z = model(x)[0]
                back = model.inverse(z)[0]
                assert float(((model(back)[0] - z).abs() / (1 + z.abs())).max()) <= 1e-10 * max(1.0, 1e-6 * worst_gain)
    assert tried >= 4


# ---------------------------------------------------------------- gradients

GRADIENTS = (
    "tie_three",
    "family_three",
    "act_with_formal",
    "free_sign_triangular",
    "conv_strict_product",
    "flow_image",
    "flow_injective",
    "flow_on_sequences",
    "elementwise",
)


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_the_inverse_against_differences(name: str) -> None:
    """By the implicit function theorem, of x and of its log-det, to z and to every parameter."""
    at = compiled(name)
    model = draw(at.build(), seed=2)
    z = model(data_of(at, 2, seed=2))[0].detach()
    made = torch.Generator().manual_seed(3)
    along = torch.randn(z.numel() // z.shape[0], generator=made, dtype=torch.float64)

    def loss() -> Tensor:
        x, log_det = model.inverse(z)
        return (x.flatten(1) @ along).sum() + 0.3 * log_det.sum()

    z.requires_grad_()
    tensors = [z, *model.parameters()]
    gradients = torch.autograd.grad(loss(), tensors, allow_unused=True)
    for tensor, gradient in zip(tensors, gradients, strict=True):
        direction = torch.randn(tensor.shape, generator=made, dtype=torch.float64)
        slope = 0.0 if gradient is None else float((gradient * direction).sum())
        assert slope == pytest.approx(difference(loss, tensor, direction), rel=2e-6, abs=1e-7)


def difference(f: Callable[[], Tensor], tensor: Tensor, direction: Tensor, step: float = 1e-5) -> float:
    """Central difference of f along a direction of one tensor, which does not reach a tied sign."""
    values = []
    with torch.no_grad():
        for side in (step, -2.0 * step):
            tensor += side * direction
            values.append(float(f()))
        tensor += step * direction
    return (values[0] - values[1]) / (2.0 * step)


@pytest.mark.parametrize("name", ["tie_three", "family_swapped", "conv_signed", "act_passed", "flow_image"])
def test_gradients_of_the_log_det(name: str) -> None:
    at = compiled(name)
    model = draw(at.build(), seed=4)
    x = data_of(at, 2, seed=4).requires_grad_()

    def loss() -> Tensor:
        z, log_det = model(x)
        return log_det.sum() + 0.1 * z.square().sum()

    tensors = [x, *model.parameters()]
    made = torch.Generator().manual_seed(5)
    for tensor, gradient in zip(tensors, torch.autograd.grad(loss(), tensors, allow_unused=True), strict=True):
        direction = torch.randn(tensor.shape, generator=made, dtype=torch.float64)
        slope = 0.0 if gradient is None else float((gradient * direction).sum())
        assert slope == pytest.approx(difference(loss, tensor, direction), rel=2e-6, abs=1e-7)


# ---------------------------------------------------------------- pieces of the solver's view

ITERATIVE = [
    name
    for group in (FORMULAS, FAMILIES, ACTS)
    for name in group
    if name not in ("identity", "negative_diagonal", "family_missing_index")
]


@pytest.mark.parametrize("name", ITERATIVE)
def test_fibre_with_its_rests_is_the_value(name: str) -> None:
    """And its slope is what differentiating one coordinate alone gives, bounded by slope_bound."""
    at = compiled(name)
    model = draw(at.build(), seed=6)
    for module in (m for m in model.modules() if hasattr(m, "fibre")):
        x = torch.randn(2, *module.event_shape, dtype=torch.float64)
        w = module.effective_weights()
        y, diagonal = module.value(x, w)
        rests = module.rests(x, w)
        alone, slope = module.fibre(x, rests, w)
        assert worst(alone, y) <= 1e-12 and worst(slope, diagonal) <= 1e-12
        bound = module.slope_bound(w)
        if bound is not None:
            assert (diagonal.abs() <= bound * (1 + 1e-9) + 1e-12).all()
        moved = x + 1e-6
        assert worst((module.fibre(moved, rests, w)[0] - alone) / 1e-6, slope) <= 1e-4


@pytest.mark.parametrize("name", FLOWS)
def test_trace_follows_the_interpreter(name: str) -> None:
    from mintdsl.core.interpret import evaluate_flow

    at = compiled(name)
    model = draw(at.build(), seed=7)
    x = data_of(at, 1, seed=7)
    steps = {
        t.path: t.value
        for t in evaluate_flow(at.core, at.key, x[0].flatten().tolist(), at.shape, {}, raw_of(at, model)).trace
    }
    for path, output, _ in model.trace(x):
        if path in steps:
            assert worst(output[0].flatten(), torch.tensor(steps[path], dtype=torch.float64)) <= 1e-12
    layers = [p for p, m in model.named_modules() if hasattr(m, "jacobian_diagonal")]
    assert [p for p, _, _ in model.trace(x) if p in layers] == [p for p in steps if p in layers]


def test_an_act_as_step_argument_default_and_function() -> None:
    at = compile_text(
        HEAD
        + """
act h(u) = u + tanh(u)
layer A on Vec[D] ensures diagonal, invertible { map x -> h(x) }
layer B(g: Act) on Vec[D] ensures diagonal, invertible { map x -> x + g(x) }
layer G(g: Act = h) on Vec[D] ensures diagonal, invertible { map x -> 2 * x + g(x) }
flow F on Vec[3] { A  B(g = h)  G  G(g = elu) }"""
    )
    model, x = at.build(), data_of(at, 2)
    assert worst(model(x)[0], reference(at, model, x).value) <= 1e-12


def test_sizes_given_from_outside() -> None:
    program = mintdsl.loads(PROGRAMS["flow_sizes_divided"])
    small, large = program.compile("F")(), program.compile("F", K=16)()
    assert small.K == 8 and large.K == 16
    assert len(list(large.parameters())) > len(list(small.parameters()))


def test_initial_values_have_the_deviation_of_the_spec() -> None:
    at = compile_text(
        HEAD
        + """
layer A(K: Nat = 4) on Image[C, H, W] ensures lower, invertible {
  index i, j : K
  param t : scale with diag > 0
  param P[i, j] : conv 3x3 lower init xavier_normal(gain = 0.5)
  param Q[i] : conv 3x3 lower init normal(std = 0.25)
  param R : conv 1x1 lower with diag > 0 init near_identity(std = 0.01)
  param b[i] : bias init fan_in_uniform(of = P)
  param c[i, j] : bias init zeros
  tie diag(Q[i]) * diag(P[i, j]) >= 0
  map x -> R(t * x) + sum[i](Q[i](tanh(sum[j](P[i, j](tanh(x + c[i, j]))) + b[i])))
}
flow F on Image[8, 16, 16] { A }""",
        None,
    )
    torch.manual_seed(0)
    layer: nn.Module = next(m for m in at.build().modules() if hasattr(m, "jacobian_diagonal"))
    free = layer.P.detach()[:, :, layer.kept]
    # inputs times summed indices, outputs times free ones
    assert float(free.std()) == pytest.approx(0.5 * math.sqrt(2 / (8 * 9 * 4 + 8 * 9 * 4)), rel=0.05)
    assert float(layer.Q.detach()[:, layer.kept].std()) == pytest.approx(0.25, rel=0.05)
    assert float(layer.b.detach().abs().max()) <= 1 / math.sqrt(8 * 9 * 4)
    assert float(layer.b.detach().abs().max()) >= 0.7 / math.sqrt(8 * 9 * 4)
    assert not layer.c.any()
    assert worst(layer.effective("R")[:, :, 0, 0], torch.eye(8)) < 0.05
    assert worst(layer.effective("t"), torch.ones(8, 16, 16)) < 1e-12


def test_a_repeated_block_that_changes_the_shape_is_written_out() -> None:
    """One statement with the copies written by hand, so one proof, one module and the same numbers."""
    params = "param s : scale with diag >= 1  param k : conv 3x3 strict lower"
    layer = f"layer A on Image[C, H, W] ensures invertible {{ {params}  map x -> s * x + tanh(k(x)) }}\n"
    inner = "flow Two on Image[C, H, W] ensures invertible { squeeze 2  A }\n"

    def flow(steps: str) -> str:
        return f"{HEAD}{layer}{inner}flow F on Image[1, 8, 8] ensures invertible {{ {steps}  prior normal }}"

    repeated = compile_text(flow("repeat 2 { squeeze 2  repeat 2 { A  permute }  A }  repeat 1 { Two }"))
    written = compile_text(flow("squeeze 2  repeat 2 { A  permute }  A  squeeze 2  repeat 2 { A  permute }  A  Two"))
    first, second = repeated.build(), written.build()
    assert first.spec_hash == second.spec_hash
    assert {k: v.shape for k, v in first.state_dict().items()} == {k: v.shape for k, v in second.state_dict().items()}
    assert first.state_dict()["A_2.0.k"].shape == (16, 16, 3, 3) and first.latent_shape == (64, 1, 1)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x)[0], second(x)[0]) and worst(first.inverse(first(x)[0])[0], x) <= 1e-9
    jacobian = torch.stack([dense_jacobian(first, row) for row in x])
    assert worst(first(x)[1], torch.linalg.slogdet(jacobian).logabsdet) <= 1e-9
