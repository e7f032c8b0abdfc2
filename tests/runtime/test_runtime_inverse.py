from __future__ import annotations

import math
import pickle

import pytest
import torch
from runtime_layers import ELU, LEAKY, RELU, MintLayer, chain_map
from torch import Tensor

from mintdsl.runtime.activations import Activation, tanh_slope, tanh_value
from mintdsl.runtime.fibre import solve_fibres
from mintdsl.runtime.inverse import (
    InverseInfo,
    InversionError,
    TriangularMap,
    authors_inversion,
    invert_elementwise,
    invert_triangular,
)

ACTS = {"elu": ELU, "leaky": LEAKY, "relu": RELU}


def points(layer: MintLayer, batch: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(batch, *layer.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def solve(layer: MintLayer, map_: TriangularMap, z: Tensor, **kw: float) -> tuple[Tensor, InverseInfo]:
    """The x found, whose diagonal is tested, and how it went."""
    x, diagonal, info = invert_triangular(
        map_,
        z,
        fronts=layer.fronts,
        front_of=lambda: layer.front,
        name="mint",
        **kw,  # type: ignore[arg-type]
    )
    if x.dtype != torch.bfloat16:
        assert torch.allclose(diagonal.to(x.dtype), map_.value(x)[1], rtol=1e-3)
    return x, info


def cycling(v: Tensor) -> tuple[Tensor, Tensor]:
    """rules.md 37: 0.01 u + clip(u, -1, 1), here of u = v + 2, so that Algorithm 1 towards 0 starts at u = 2.

    It cycles u = -100, +100 for ever.
    """
    u = v + 2
    return 0.01 * u + u.clamp(-1, 1), 0.01 + (u.abs() < 1).to(v.dtype)


# structure of the test layer itself, so that the rest rests on something


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("h", list(ACTS))
def test_layer_is_what_it_claims(h: str, upper: bool) -> None:
    layer = MintLayer((2, 3, 3), 2, 1.0, 0.1, ACTS[h], upper=upper)
    m, x = layer.map(), points(layer, 1)
    y, diagonal = m.value(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: m.value(v)[0], x).reshape(18, 18)
    assert torch.equal(jacobian.tril() if upper else jacobian.triu(), jacobian.diag().diag())
    torch.testing.assert_close(jacobian.diag(), diagonal.flatten(), rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], diagonal.log().sum(), rtol=1e-10, atol=1e-10)
    bound = m.slope_bound()
    assert bound is not None and (diagonal <= bound + 1e-12).all()
    assert torch.equal(m.fibre(x, m.rests(x))[0], y)
    # element p reads element q only from an earlier front
    reads = (jacobian != 0) & ~torch.eye(18, dtype=torch.bool)
    front = layer.front.flatten()
    assert (front[:, None] > front[None, :])[reads].all() and front.min() == 1 and front.max() == layer.fronts


# stages


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("K", [1, 4])
@pytest.mark.parametrize("h", list(ACTS))
def test_mild_weights(h: str, K: int, upper: bool) -> None:
    layer = MintLayer((3, 5, 4), K, 0.05, 1.0, ACTS[h], upper=upper)
    m, x = layer.map(), points(layer)
    again, info = solve(layer, m, m.value(x)[0])
    assert (again - x).abs().max() < 1e-11 and info.stage == "Algorithm 1" and info.steps <= layer.fronts
    assert info.residual.shape == (3,) and (info.residual <= 1e-11).all()


@pytest.mark.parametrize("t", [1e-1, 1e-3])
@pytest.mark.parametrize("K", [1, 4])
@pytest.mark.parametrize("h", list(ACTS))
def test_wild_weights(h: str, K: int, t: float) -> None:
    """Weights N(0, 1): Algorithm 1 mostly fails, sweeps do not. The error may exceed the residual by the condition."""
    layer = MintLayer((2, 4, 3), K, 1.0, t, ACTS[h])
    m, x = layer.map(), points(layer)
    z = m.value(x)[0]
    again, info = solve(layer, m, z)
    assert (info.residual <= 1e-11).all()
    assert (m.value(again)[0] - z).abs().max() <= 1e-11 * (1 + z.abs().max())
    assert info.steps <= 100 + 4 * layer.fronts + layer.fronts + 3
    jacobian = torch.autograd.functional.jacobian(lambda v: m.value(v)[0].sum(0), x).movedim(3, 0).reshape(3, 24, 24)
    gain = torch.linalg.inv(jacobian).abs().sum(-1).amax()
    assert (again - x).abs().max() <= 1e-9 * gain


@pytest.mark.parametrize("h", ["elu", "leaky"])
def test_tiny_t(h: str) -> None:
    layer = MintLayer((2, 4, 4), 4, 0.3, 1e-12, ACTS[h])
    m, x = layer.map(), points(layer)
    again, info = solve(layer, m, m.value(x)[0])
    assert (info.residual <= 1e-11).all() and (again - x).abs().max() < 1e-6


def test_zero_weights_and_tiny_t() -> None:
    """t = 1e-12 alone: x = z / t is exact and huge, where the start z / t of the authors would also be right."""
    layer = MintLayer((1, 2, 2), 1, 0.0, 1e-12)
    m = layer.map()
    again, _ = solve(layer, m, torch.ones(1, 1, 2, 2, dtype=torch.float64))
    torch.testing.assert_close(again, torch.full_like(again, 1e12), rtol=1e-12, atol=0)


@pytest.mark.parametrize("gain", [0.0, 1.0, 30.0])
def test_cycle_of_algorithm_one(gain: float) -> None:
    m = chain_map(cycling, gain, 1.01)
    zero = torch.zeros(1, 3, dtype=torch.float64)
    cycle = authors_inversion(m.value, zero, 300, 1.0)
    assert (cycle[0, 0] + 2).abs().item() == pytest.approx(100.0)
    x = torch.tensor([[-2.0, -1.5, 0.3], [-2.5, 5.0, -2.0]], dtype=torch.float64)
    z = m.value(x)[0]
    again, _, info = invert_triangular(m, z, fronts=3)
    assert (again - x).abs().max() < 1e-6 and (info.residual <= 1e-11).all() and info.stage == "fibre sweeps"
    s, solved = solve_fibres(cycling, zero[0], zero[0])
    assert solved.all() and (s + 2).abs().max() < 1e-15


def test_decreasing_and_mixed_signs() -> None:
    sign = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)

    def scalar(v: Tensor) -> tuple[Tensor, Tensor]:
        y, slope = cycling(v)
        return sign * y, sign * slope

    m = chain_map(scalar, 2.0, 1.01)
    x = 3.0 * torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    z = m.value(x)[0]
    for newton in (True, False):
        again, _, _ = invert_triangular(m, z, fronts=3, sign=sign, newton=newton)
        assert (again - x).abs().max() < 1e-6
    with pytest.raises(InversionError):
        invert_triangular(m, z, fronts=3, sign=-sign, newton=False)


def test_front_by_front_where_sweeps_overflow() -> None:
    """y_p = x_p^3 + x_p + exp(x_(p-1)): at x = z every exponential overflows; elements must wait for their turn."""

    def fibre(s: Tensor, rests: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        return s**3 + s + rests[0], 3 * s**2 + 1

    def rests(x: Tensor) -> tuple[Tensor, ...]:
        return (torch.nn.functional.pad(x[:, :-1].exp(), (1, 0)),)

    m = TriangularMap(lambda x: fibre(x, rests(x)), rests, fibre, lambda: None)
    x = torch.tensor([[10.0, 9.0, 11.0, 8.0]], dtype=torch.float64)
    z = m.value(x)[0]
    again, _, info = invert_triangular(m, z, fronts=4, front_of=lambda: torch.arange(1, 5), newton=False)
    assert info.stage == "fibre sweeps front by front" and (again - x).abs().max() < 1e-9
    with pytest.raises(InversionError):
        invert_triangular(m, z, fronts=4, newton=False)


def test_start_at_zero_where_f_overflows_at_z() -> None:
    m = chain_map(lambda v: (v + v.sinh(), 1 + v.cosh()), 0.5)
    z = torch.tensor([[1e3, -1e5]], dtype=torch.float64)
    x, _, _ = invert_triangular(m, z, fronts=2)
    assert (m.value(x)[0] - z).abs().max() < 1e-11 * 1e5


def test_beta_steps_where_sweeps_are_not_allowed_to_finish() -> None:
    """With P understated the sweeps stop early, and the bounded slope lets the last stage finish."""
    m = chain_map(lambda v: (v + 0.5 * v.clamp(-1, 1), 1 + 0.5 * (v.abs() < 1).to(v.dtype)), 1.0, 1.5)
    z = torch.randn(2, 12, dtype=torch.float64)
    x, _, info = invert_triangular(m, z, fronts=0, newton=False)
    assert info.stage == "beta steps" and (m.value(x)[0] - z).abs().max() < 1e-10


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_lower_precision(dtype: torch.dtype) -> None:
    layer = MintLayer((2, 4, 4), 4, 0.3, 1.0)
    m, x = layer.map(dtype), points(layer, dtype=dtype)
    z = layer.map(torch.float32).value(x.float())[0].to(dtype)
    again, info = solve(layer, m, z)
    assert again.dtype == dtype and (info.residual <= 1e-5).all()
    assert (again - x).abs().max() < (1e-4 if dtype == torch.float32 else 1.0)


@pytest.mark.parametrize("h", list(ACTS))
def test_float32_goes_on_in_float64(h: str) -> None:
    layer = MintLayer((2, 4, 3), 4, 1.0, 1e-1, ACTS[h])
    m, x = layer.map(torch.float32), points(layer, dtype=torch.float32)
    wide = layer.map(torch.float64, {key: value.float() for key, value in layer.raw.items()})
    z = wide.value(x.double())[0].float()
    again, info = solve(layer, m, z)
    assert again.dtype == torch.float32 and (info.residual <= 1e-5).all()
    # a tolerance below float32 is met in float64, and the result is rounded once at the end
    again, info = solve(layer, m, z, tol=1e-10)
    assert again.dtype == torch.float32 and info.residual.dtype == torch.float64 and (info.residual <= 1e-10).all()


def test_only_failing_samples_cost_and_context_follows_its_sample() -> None:
    shift, sizes = torch.tensor([[0.0], [5.0], [-5.0], [1.0]], dtype=torch.float64), []

    def with_context(c: Tensor) -> TriangularMap:
        def fibre(s: Tensor, rests: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            y, slope = cycling(s)
            return y + c, slope

        def rests(x: Tensor) -> tuple[Tensor, ...]:
            sizes.append(len(x))
            return ()

        return TriangularMap(
            lambda x: fibre(x, ()), rests, fibre, lambda: None, rows=lambda index: with_context(c[index])
        )

    m = with_context(shift)
    x = torch.tensor([[0.5], [-2.0], [70.0], [-2.1]], dtype=torch.float64)
    again, _, _ = invert_triangular(m, m.value(x)[0], fronts=1)
    torch.testing.assert_close(again, x, rtol=1e-9, atol=1e-9)
    assert max(sizes) < 4


def test_samples_do_not_influence_each_other() -> None:
    layer = MintLayer((2, 3, 3), 2, 1.0, 0.1)
    m, x = layer.map(), points(layer, 5)
    z = m.value(x)[0]
    together, _ = solve(layer, m, z)
    alone = torch.cat([solve(layer, m, z[k : k + 1])[0] for k in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-7, atol=1e-7)


# failures and limits


@pytest.mark.parametrize("newton", [True, False])
def test_unreachable(newton: bool) -> None:
    m = chain_map(lambda v: (tanh_value(v), tanh_slope(v)), 0.0)
    z = torch.tensor([[0.3, 0.2], [0.1, 2.0]], dtype=torch.float64)
    with pytest.raises(InversionError, match="not in the image") as caught:
        invert_triangular(m, z, fronts=1, name="squash", newton=newton)
    error = caught.value
    assert (error.layer, error.sample, error.element, error.tol) == ("squash", 1, (1,), 1e-11)
    assert error.residual > 0.1 and "squash" in str(error) and "sample 1" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.element == error.element


def test_the_first_unreachable_element_is_named() -> None:
    m = chain_map(lambda v: (tanh_value(v), tanh_slope(v)), 0.1)
    z = torch.tensor([[0.3, 2.0, 0.1, 5.0]], dtype=torch.float64)
    with pytest.raises(InversionError) as caught:
        invert_triangular(m, z, fronts=4, front_of=lambda: torch.arange(1, 5))
    assert caught.value.element == (1,)


def test_not_finite() -> None:
    m = chain_map(cycling, 0.0)
    with pytest.raises(InversionError, match="not finite"):
        invert_triangular(m, torch.tensor([[1.0, math.nan]]), fronts=1)


@pytest.mark.parametrize("limit", [0, 1, 5, 40])
def test_max_iter(limit: int) -> None:
    layer = MintLayer((2, 4, 4), 4, 1.0, 1e-3)
    m, steps = layer.map(), 0

    def value(x: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal steps
        steps += 1
        return m.value(x)

    z = m.value(points(layer))[0]
    with pytest.raises(InversionError):
        solve(layer, m._replace(value=value), z, max_iter=limit)
    assert steps <= limit + 5  # one evaluation more per stage, and one for the report


def test_empty_batch() -> None:
    layer = MintLayer((2, 3, 3), 2, 1.0, 0.1)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        x, info = solve(layer, layer.map(dtype), torch.zeros(0, 2, 3, 3, dtype=dtype))
        assert x.shape == (0, 2, 3, 3) and x.dtype == dtype and info.residual.shape == (0,)


# scalar equations


def test_fibres_over_all_magnitudes() -> None:
    z = torch.logspace(-300, 300, 601, dtype=torch.float64)
    z = torch.cat([z, -z, torch.zeros(1, dtype=torch.float64)])
    for power in (1, 3, 9):

        def scalar(s: Tensor, power: int = power) -> tuple[Tensor, Tensor]:
            return s**power, power * s ** (power - 1)

        s, solved = solve_fibres(scalar, z, torch.ones_like(z))
        assert solved.all()
        assert ((s**power - z).abs() <= 1e-13 * (1 + z.abs())).all()


def test_fibre_near_the_largest_number() -> None:
    z = torch.tensor([1e296, -1e296, 1e300], dtype=torch.float64)
    s, solved = solve_fibres(lambda v: (1e-12 * v, torch.full_like(v, 1e-12)), z, torch.zeros_like(z))
    assert solved.tolist() == [True, True, False]
    torch.testing.assert_close(s[:2], 1e12 * z[:2], rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fibre_with_useless_slopes(dtype: torch.dtype) -> None:
    """Slope 0, infinite or NaN: Newton is out, halving must do it."""
    z = torch.linspace(-5, 5, 11, dtype=dtype)
    for wrong in (0.0, math.inf, math.nan):
        s, solved = solve_fibres(lambda v, w=wrong: (v**3 + v, torch.full_like(v, w)), z, torch.zeros_like(z))
        assert solved.all() and ((s**3 + s - z).abs() <= 50 * torch.finfo(dtype).eps).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_elementwise(dtype: torch.dtype) -> None:
    def scalar(v: Tensor) -> tuple[Tensor, Tensor]:
        return v.sinh() - 2.0, v.cosh()

    z = torch.linspace(-1e6, 1e6, 21, dtype=dtype).reshape(7, 3)
    x, _, info = invert_elementwise(scalar, z, promote=lambda d: scalar)
    torch.testing.assert_close(x, torch.asinh(z + 2.0), rtol=1e-5 if dtype == torch.float32 else 1e-10, atol=1e-5)
    assert info.steps <= 2
    with pytest.raises(InversionError, match="not in the image"):
        invert_elementwise(lambda v: (tanh_value(v), tanh_slope(v)), torch.full((1, 2), 2.0, dtype=dtype))


def test_the_authors_step() -> None:
    layer = MintLayer((1, 5, 5), 3, 0.05, 1.0)
    m, x = layer.map(), points(layer)
    z = m.value(x)[0]
    errors = [(authors_inversion(m.value, z, n, 3.5) - x).abs().max().item() for n in (10, 100)]
    assert errors[1] < 1e-12 < errors[0]
    compiled = torch.compile(lambda v: authors_inversion(m.value, v, 5, 1.0), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(z), authors_inversion(m.value, z, 5, 1.0))


def test_alpha() -> None:
    layer = MintLayer((1, 4, 4), 2, 0.1, 1.0, Activation(tanh_value, tanh_slope, 1.0, "tanh"))
    m, x = layer.map(), points(layer)
    again, info = solve(layer, m, m.value(x)[0], alpha=0.5)
    assert (again - x).abs().max() < 1e-9 and info.stage == "Algorithm 1" and info.steps > 20


def test_autocast_does_not_reach_the_solver() -> None:
    layer = MintLayer((2, 4, 4), 2, 0.3, 1.0)
    m, x = layer.map(torch.float32), points(layer, dtype=torch.float32)
    z = m.value(x)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again, _ = solve(layer, m, z)
    assert (again - x).abs().max() < 1e-4
