"""Generated residual sums: the promise of the proof, tools around the module, and what it refuses."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from fractions import Fraction

import pytest
import torch
from codegen_oracle import compile_text, compiled, draw, near_initial, worst
from codegen_programs import HEAD
from torch import Tensor, nn

import mintdsl
from mintdsl.resources import resource
from mintdsl.runtime.residual import STALLED

torch.set_num_threads(1)

WIDE = """
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[1] with lip <= 0.5
  param W : linear from Vec[1] to Vec[D] with lip <= 1
  map x -> x + W(tanh(V(x)))
}"""
UNIT = """
layer A on Vec[D] ensures diagonal, diag > 0 {
  index i : 2
  param w[i] : scale with length == 1
  map x -> x + sum[i](w[i] * tanh(x))
}"""
NAMES = ["residual_matrices", "residual_convolutions", "residual_branches", "residual_terms", "residual_nets"]
NAMES += ["residual_rows", "residual_columns", "residual_beta"]


def size_in(model: nn.Module, x: Tensor) -> Tensor:
    """[B], in the norm in which the proof bounds the branch."""
    return torch.linalg.vector_norm(x.flatten(1), model.norm_order, dim=1)


def points(model: nn.Module, count: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(count, *model.event_shape, generator=made, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("name", [*NAMES, "residual_densenet"])
@pytest.mark.parametrize("std", [0.05, 1.0, 30.0])
def test_the_jacobian_is_as_near_to_the_identity_as_proved(name: str, std: float) -> None:
    model = draw(compiled(name).build(), std=std)
    size = math.prod(model.event_shape)
    for x in points(model, 4):
        jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0], x).reshape(size, size)
        branch = jacobian / model.divisor - torch.eye(size, dtype=torch.float64)
        assert float(torch.linalg.matrix_norm(branch, model.norm_order)) <= model.contraction < 1
        log_det = model(x)[1]
        sign = math.copysign(1.0, model.divisor) ** size
        assert torch.linalg.slogdet(jacobian) == (sign, pytest.approx(float(log_det), abs=1e-10))
        middle = size * math.log(abs(model.divisor))
        low, high = (middle + size * math.log1p(sign * model.contraction) for sign in (-1, 1))
        assert low <= float(log_det) <= high


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_certified_norms_hold_in_every_dtype(name: str, dtype: torch.dtype) -> None:
    model = draw(compiled(name).build(), std=5.0).to(dtype)
    found = model.certify()
    paths = [(path, module) for path, module in model.named_modules() if hasattr(module, "limits")]
    assert [one.name for one in found] == [f"{path}.{key}".lstrip(".") for path, m in paths for key in m.limits]
    assert len(found) >= 2
    for one in found:
        assert one.lower <= one.upper <= one.limit * (1 + 1e-7) and one.lower <= one.limit
        near = 0.5 if one.norm == 2.0 else 0.3  # images of 2 x 3 are smaller than the kernels
        assert one.lower >= near * one.upper
        words = {2.0: "norm", 1.0: "1-norm", math.inf: "maximum norm"}[one.norm]
        assert str(one) == f"{one.name}: {one.lower:.6f} <= {words} <= {one.upper:.6f}, limit {one.limit:g}"


def test_dense_layers_are_inverted_whatever_their_weights() -> None:
    """Weights that are equal, and at the ends of what can be stored; in float32 nothing moves more than is promised."""
    model = draw(compiled("residual_densenet").build(), std=1.0)
    wide, narrow = points(model, 8), copy.deepcopy(model).float()
    for raw in (-1e30, 0.0, 1e30):
        for one in (model, narrow):
            for path, stored in one.named_parameters():
                if path.endswith(("w", "v")):
                    stored.detach()[0] = raw
            for path in ("n.g1", "n.g2", "n"):
                weights = [t for t in one.get_submodule(path).effective_weights() if t.dim() == 1 and len(t) in (2, 3)]
                assert len(weights) >= 1 and all(sum(Fraction(float(v)) ** 2 for v in t) <= 1 for t in weights[-1:])
        z = model(wide)[0]
        assert worst(model.inverse(z)[0], wide) <= 1e-9
        x = wide.float()
        moved = (narrow(x)[0] - x).flatten(1)
        assert bool(((moved - moved[:1]).norm(dim=1) <= 0.98 * (x - x[:1]).flatten(1).norm(dim=1)).all())


def test_numbers_of_length_1_are_set_and_read() -> None:
    model = draw(mintdsl.loads(f"mint 1\n{UNIT}").compile("A")((4,), dtype=torch.float64))
    wanted = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.1, 0.7, 0.5, 0.5]], dtype=torch.float64)
    model.set_effective("w", wanted)
    assert torch.allclose(model.effective("w"), wanted, rtol=1e-14)
    before = model.w.detach().clone()
    for bad in ([0.5, 0.5, 0.5, 0.6], [1.0, 0.0, 0.0, 0.0], [-0.5, 0.5, 0.5, 0.5]):
        with pytest.raises(ValueError, match="must"):
            model.set_effective("w", torch.tensor([bad, bad]))
    assert torch.equal(model.w, before)
    fresh = mintdsl.loads(f"mint 1\n{UNIT}").compile("A")((4,), dtype=torch.float64)
    assert torch.allclose(fresh.effective("w"), torch.full((2, 4), 0.5, dtype=torch.float64), rtol=1e-14)


def test_a_flow_certifies_its_layers_each_with_its_own_limit() -> None:
    model = draw(compiled("residual_flow").build())
    assert [(one.name, one.limit) for one in model.certify()] == [
        ("A_0.V", 0.5), ("A_0.W", 1.0), ("A_1.V", 0.75), ("A_1.W", 1.0), ("A_2.V", 0.5), ("A_2.W", 1.0),
    ]  # fmt: skip
    assert [layer.contraction for layer in (model.A_0, model.A_1, model.A_2)] == [0.5, 0.75, 0.5]


@pytest.mark.parametrize("name", NAMES)
def test_the_inverse_takes_the_steps_that_the_contraction_gives(name: str) -> None:
    model = draw(compiled(name).build(), std=10.0)
    x = 10 * points(model, 5)
    with torch.no_grad():
        z, _ = model(x)
        back, _ = model.inverse(z)
        info = model.last_inverse
        first = float(size_in(model, model(z)[0] - z).max())
        goal = 1e-11 * min(1.0, (1 - model.contraction) * abs(model.divisor))
        promised = math.log(goal / first) / math.log(model.contraction) + 2
        assert info.stage == "Banach iteration" and 0 < info.steps <= promised + 1
        assert worst(back, x) <= 1e-9
        with pytest.raises(RuntimeError, match="converge to an error of 1e-11; worst at sample") as caught:
            model.inverse(z, max_iter=2)
        assert pickle.loads(pickle.dumps(caught.value)).tol == pytest.approx(goal)
        with pytest.raises(RuntimeError, match="z is not finite"):
            model.inverse(torch.full_like(z, math.inf))
        fixed, _ = model.inverse(z, fixed=(info.steps, 1.0))
        assert worst(fixed, x) <= 1e-9


STEEP = """mint 1
layer A(bound: Real = BOUND) on Vec[D] ensures invertible {
  param V : linear with lip <= bound VIA init normal(std = 1)
  map x -> x - tanh(V(x))
}
layer B(bound: Real = BOUND) on Vec[D] ensures invertible {
  param V : linear with lip <= bound VIA init normal(std = 1)
  map x -> 4 * x + 4 * V(x)
}
"""


@pytest.mark.parametrize(
    ("via", "size", "bound"),
    [
        *itertools.product([""], [4, 256], [0.5, 0.9, 0.99, 0.999]),
        *itertools.product(["via rows", "via columns"], [5, 128], [0.6, 0.99]),
    ],
)
def test_the_error_is_what_was_asked_for_within_the_promised_steps(via: str, size: int, bound: float) -> None:
    """Against the solution in float64, whose own error is 1e-6 of the tolerance; tolerances of either dtype."""
    program = mintdsl.loads(STEEP.replace("BOUND", str(bound)).replace("VIA", via))
    for name, seed in itertools.product("AB", range(2)):
        torch.manual_seed(seed)
        model = program.compile(name)((size,))
        shrink = abs(model.divisor) * (1 - model.contraction)
        z = 10.0 ** torch.randint(-3, 3, (6, 1)) * torch.randn(6, size)
        exact = copy.deepcopy(model).double()
        for dtype, tols in ((torch.float32, (1e-2, 1e-5, 1e-7)), (torch.float64, (1e-2, 1e-9))):
            for tol in tols:
                layer, goal = (model if dtype == torch.float32 else exact), z.to(dtype)
                with torch.no_grad():
                    found, _ = layer.inverse(goal, tol=tol)
                    info = layer.last_inverse
                    wide = z.double()
                    known, _ = true_weights(exact, model).inverse(wide, tol=max(tol * 1e-6, 1e-13 / shrink))
                    first = float(size_in(model, exact(wide)[0] - wide).max())
                error = size_in(model, found.double() - known)
                room = tol * size_in(model, 1 + wide.abs())
                rounding = torch.finfo(dtype).eps * size_in(model, known)
                assert bool((error <= room * (1 + 1e-5) + rounding).all())
                assert bool((error <= info.error * (1 + 1e-5) + 1e-6 * room).all())
                assert bool((info.error <= room + rounding).all())
                promised = math.log(tol * min(1, shrink) / first) / math.log(model.contraction)
                assert info.steps <= max(promised, 0) + 1 + STALLED


def true_weights(exact: nn.Module, model: nn.Module) -> nn.Module:
    """The float64 module with the effective weights of the float32 one, which is the map that is inverted."""
    exact.load_state_dict({name: value.double() for name, value in model.state_dict().items()})
    exact.set_effective("V", model.effective("V").double())
    return exact


@pytest.mark.parametrize("name", NAMES)
def test_float32_comes_back(name: str) -> None:
    model = draw(compiled(name).build(), std=10.0).float()
    x = 10 * points(model, 5, torch.float32)
    with torch.no_grad():
        z, log_det = model(x)
        back, minus = model.inverse(z)
    assert worst(back.double(), x.double()) <= 1e-5 * 10 / (1 - model.contraction) / abs(model.divisor)
    assert worst(minus.double(), -log_det.double()) <= 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name: str) -> None:
    model = near_initial(compiled(name).build())
    z = points(model, 2)
    parameters = list(model.parameters())
    weights = points(model, 2, seed=1)

    def loss(inverse: bool) -> Tensor:
        value, log_det = (model.inverse if inverse else model)(z)
        return (weights * value).sum() + log_det.sum()

    for inverse in (False, True):
        found = torch.autograd.grad(loss(inverse), parameters)
        for parameter, gradient in zip(parameters, found, strict=True):
            direction, h = torch.randn_like(parameter), 1e-5
            with torch.no_grad():
                ends = []
                for sign in (1, -2, 1):
                    parameter.add_(sign * h * direction)
                    ends.append(float(loss(inverse)) if sign != 1 or not ends else 0.0)
            expected = (ends[0] - ends[1]) / (2 * h)
            assert float((gradient * direction).sum()) == pytest.approx(expected, rel=2e-4, abs=2e-5)


@pytest.mark.parametrize("name", [*NAMES, "residual_flow"])
def test_compiled_copied_and_on_the_meta_device(name: str) -> None:
    torch._dynamo.reset()  # the function below is compiled anew for each model, and only so often
    model = draw(compiled(name).build())
    x = points(model, 3)
    z, log_det = model(x)
    wrapped = torch.compile(model, fullgraph=True, backend="eager")(x)
    assert worst(wrapped[0], z) <= 1e-12 and worst(wrapped[1], log_det) <= 1e-12
    inverse = torch.compile(lambda v: model.inverse(v, fixed=(3, 1.0)), fullgraph=True, backend="eager")
    assert worst(inverse(z)[0], model.inverse(z, fixed=(3, 1.0))[0]) <= 1e-12
    assert torch.equal(copy.deepcopy(model)(x)[1], log_det)
    meta = compiled(name).build(device="meta")
    assert meta(x.to("meta"))[1].shape == (3,)


def test_a_weight_above_the_limit_is_refused() -> None:
    model = draw(compiled("residual_matrices").build(), std=0.01)
    before = model.effective("V").detach().clone()
    within = 0.89 * before / float(torch.linalg.matrix_norm(before, 2))
    model.set_effective("V", within)
    assert torch.equal(model.effective("V"), within)
    with pytest.raises(ValueError, match="V cannot hold this value"):
        model.set_effective("V", within * 1.05)
    assert torch.equal(model.effective("V"), within)


def test_the_dense_jacobian_has_a_limit() -> None:
    at = compile_text(HEAD + WIDE, (4097,))
    with pytest.raises(ValueError, match="`log_det exact` makes the dense Jacobian, for at most 4096 elements"):
        at.build()(torch.zeros(1, 4097, dtype=torch.float64))


def test_a_formal_is_proved_for_its_values_only() -> None:
    block = mintdsl.load(resource("specs") / "iresnet/block.mint").compile("IResBlock")
    assert block((2, 3, 3), 4).contraction < 0.7291
    with pytest.raises(ValueError, match="is proved for 0.9, elu only"):
        block((2, 3, 3), 4, bound=0.95)
