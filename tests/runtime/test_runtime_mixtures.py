"""Mixtures of logistics alone: against the interpreter and decimals, their inverse, numbers that could break them."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mintdsl.core.dual import constant, variables
from mintdsl.core.interpret_bends import bent
from mintdsl.runtime import mixtures
from mintdsl.runtime.mixtures import WIDEST_LOG_SCALE, mix_logistic, mix_logistic_inverse

torch.set_num_threads(1)

FUNCTIONS = (mix_logistic, mix_logistic_inverse)


def raws(shape: tuple[int, ...], axis: int, count: int, scale: float, seed: int, dtype: torch.dtype) -> list[Tensor]:
    """Logits, means and log-scales for a tensor of this shape."""
    made = torch.Generator().manual_seed(seed)
    sizes = list(shape)
    sizes[axis] *= count
    return [scale * torch.randn(sizes, generator=made, dtype=torch.float64).to(dtype) for _ in range(3)]


def points(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Near 0, and far out."""
    made = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(shape, generator=made, dtype=torch.float64)
    special = (0.0, 40.0, -40.0, 1e4, -1e4, 1e30, -1e30)
    x.flatten()[: len(special)] = torch.tensor(special, dtype=torch.float64)
    return x.to(dtype)


def assert_root(x: Tensor, y: Tensor, raw: list[Tensor]) -> None:
    """y is g(x) to rounding, or the floats beside x have it between them: g may leap from one to the next."""
    room = 64 * torch.finfo(y.dtype).eps * (1 + y.abs())
    ends = []
    for end in (-math.inf, math.inf):
        beside = x
        for _ in range(4):
            beside = torch.nextafter(beside, torch.full_like(x, end))
        ends.append(mix_logistic(beside, *raw, axis=-1)[0])
    assert bool(((ends[0] - room <= y) & (y <= ends[1] + room)).all())


def exactly(x: float, logits: list[float], means: list[float], log_scales: list[float]) -> tuple[float, float]:
    """y and log dy/dx by the definition, in decimals of 120 digits."""
    with localcontext() as context:
        context.prec = 120
        context.Emin, context.Emax = -(10**15), 10**15
        weights = [Decimal(v).exp() for v in logits]
        below, above, slope = Decimal(0), Decimal(0), Decimal(0)
        for weight, mean, log_scale in zip(weights, means, log_scales, strict=True):
            scale = Decimal(min(max(log_scale, -WIDEST_LOG_SCALE), WIDEST_LOG_SCALE)).exp()
            power = (-(Decimal(x) - Decimal(mean)) / scale).exp()
            share = weight / sum(weights)
            below += share / (1 + power)
            above += share * power / (1 + power)
            slope += share * power / (1 + power) ** 2 / scale
        return float(below.ln() - above.ln()), float((slope / (below * above)).ln())


@pytest.mark.parametrize(("dims", "axis"), [((4,), -1), ((3, 2), -1), ((2, 2, 3), -3)])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_against_the_interpreter(dims: tuple[int, ...], axis: int, count: int) -> None:
    shape = (3, *dims)
    x, raw = points(shape, 1), raws(shape, axis, count, 2.0, 2, torch.float64)
    y, log_slope = mix_logistic(x, *raw, axis=axis)
    for row in range(3):
        own = [[constant(float(v)) for v in t[row].flatten()] for t in raw]
        expected = bent("mix_logistic", variables(x[row].flatten().tolist()), own, dims, ())
        for k, (one, found, slope) in enumerate(zip(expected, y[row].flatten(), log_slope[row].flatten(), strict=True)):
            assert float(found) == pytest.approx(one.value, rel=1e-13, abs=1e-13)
            assert float(slope) == pytest.approx(math.log(one.gradient[k]), rel=1e-10, abs=1e-10)
            assert set(one.gradient) == {k}


def test_gradients_of_the_interpreter() -> None:
    """By numbers of the parameters, as nets that a layer applies make them from its input."""
    numbers = [0.3, -1.0, 0.4, 1.5, 0.3 + 1e-8, 0.7, -30.0]  # the last log-scale is beyond the least: no gradient
    wanted = [t.clone().requires_grad_() for t in torch.tensor(numbers, dtype=torch.float64).split((1, 2, 2, 2))]
    y, _ = mix_logistic(*(t[None] for t in wanted), axis=-1)
    found = torch.cat(torch.autograd.grad(y.sum(), wanted)).tolist()
    duals = variables(numbers)
    (one,) = bent("mix_logistic", duals[:1], (duals[1:3], duals[3:5], duals[5:]), (1,), ())
    assert one.row(7) == pytest.approx(found, rel=1e-12) and found[-1] == 0.0 and all(found[:-1])


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_against_decimals(dtype: torch.dtype, near: float, scale: float) -> None:
    x = torch.tensor([[0.1, -2.5, 33.0, -700.0, 2e4, -3e5]], dtype=torch.float64).to(dtype)
    logits, means, log_scales = raws((1, 6), -1, 3, scale, 3, dtype)
    y, log_slope = mix_logistic(x, logits, means, log_scales, axis=-1)
    for k in range(6):
        at = slice(3 * k, 3 * k + 3)
        own = [t[0, at].double().tolist() for t in (logits, means, log_scales)]
        value, slope = exactly(float(x[0, k]), *own)
        steepest = max(math.exp(-s) * (abs(float(x[0, k])) + abs(m)) for s, m in zip(own[2], own[1], strict=True))
        assert float(y[0, k]) == pytest.approx(value, rel=10 * near, abs=near)
        # shares of components change as fast as z does
        assert float(log_slope[0, k]) == pytest.approx(slope, rel=10 * near, abs=10 * near * (1 + min(steepest, 1e3)))


def test_one_component_is_affine() -> None:
    """Also where sigmoids underflow, and where 1 - F does."""
    x, (logits, means, log_scales) = points((4, 6), 4), raws((4, 6), -1, 1, 3.0, 5, torch.float64)
    y, log_slope = mix_logistic(x, logits, means, log_scales, axis=-1)
    torch.testing.assert_close(y, (x - means) * torch.exp(-log_scales), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(log_slope, -log_scales, rtol=0, atol=1e-13)
    back, of_inverse = mix_logistic_inverse(y, logits, means, log_scales, axis=-1)
    torch.testing.assert_close(back, x, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(of_inverse, log_slope, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_are_those_of_one_component(dtype: torch.dtype) -> None:
    """Far out the widest component counts alone: y = (x - mean) / s + log of its weight, the log-slope is -log s."""
    x = torch.tensor([[1e3], [-1e3], [1e6], [-1e6], [1e30], [-1e30]], dtype=dtype)
    logits, means = torch.tensor([[0.3, -0.2]], dtype=dtype), torch.tensor([[-1.0, 2.0]], dtype=dtype)
    log_scales = torch.tensor([[-0.5, 1.0]], dtype=dtype)
    y, log_slope = mix_logistic(x, logits, means, log_scales, axis=-1)
    weight = torch.log_softmax(logits.double(), -1)[:, 1:]
    expected = (x.double() - 2) / math.e - torch.sign(x) * weight
    torch.testing.assert_close(y.double(), expected, rtol=4 * torch.finfo(dtype).eps, atol=0)
    torch.testing.assert_close(log_slope, torch.full_like(x, -1.0), rtol=1e-6, atol=0)
    back, _ = mix_logistic_inverse(y, logits, means, log_scales, axis=-1)
    torch.testing.assert_close(back, x, rtol=8 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_inverse(dtype: torch.dtype, near: float, count: int, scale: float) -> None:
    x, raw = points((40, 6), 6, dtype), raws((40, 6), -1, count, scale, 7, dtype)
    y, log_slope = mix_logistic(x, *raw, axis=-1)
    back, of_inverse = mix_logistic_inverse(y, *raw, axis=-1)
    assert_root(back, y, raw)
    well = log_slope > -3  # elsewhere y hardly determines x
    assert well.float().mean() > 0.4
    torch.testing.assert_close(back[well], x[well], rtol=100 * near, atol=100 * near)
    torch.testing.assert_close(of_inverse[well], log_slope[well], rtol=0, atol=1e4 * near)
    other, _ = mix_logistic_inverse(x, *raw, axis=-1)  # any number has an x
    assert_root(other, x, raw)


def test_the_root_lies_in_its_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the roots of the components; ten evaluations or so, since no search outside is needed."""
    y, raw = points((50, 4), 8).clamp(-100, 100), raws((50, 4), -1, 6, 1.0, 9, torch.float64)
    calls = []
    plain = mixtures.mixture_at

    def counted(x: Tensor, mixture: mixtures.Mixture) -> tuple[Tensor, Tensor]:
        calls.append(x)
        return plain(x, mixture)

    monkeypatch.setattr(mixtures, "mixture_at", counted)
    x, _ = mix_logistic_inverse(y, *raw, axis=-1)
    _, means, log_scales = (t.reshape(50, 4, 6) for t in raw)
    alone = means + log_scales.exp() * y.unsqueeze(-1)
    room = 1e-12 * (1 + alone.abs().amax(-1))
    for tried in (x, *calls):
        assert bool(((tried >= alone.amin(-1) - room) & (tried <= alone.amax(-1) + room)).all())
    assert len(calls) <= 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extremes(dtype: torch.dtype) -> None:
    """No finite numbers make NaN, in values or gradients; up to 1e30 nothing overflows, and the inverse is one."""
    top = torch.finfo(dtype).max
    made = torch.Generator().manual_seed(10)
    for values in ((0.0, 1e4, -1e4, 1e30, -1e30, 1.0, -0.0, 1e-30), (0.0, top, -top, 1.0, 40.0, -88.0)):
        table = torch.tensor(values, dtype=dtype)
        for count in (1, 2, 7):
            raw = [table[torch.randint(0, len(table), (60, 4 * count), generator=made)] for _ in range(3)]
            x = table[torch.randint(0, len(table), (60, 4), generator=made)]
            given = [t.requires_grad_() for t in (x, *raw)]
            for function in FUNCTIONS:
                y, log_slope = function(*given, axis=-1)
                assert torch.isfinite(y).all() and torch.isfinite(log_slope).all()
                assert bool((log_slope <= WIDEST_LOG_SCALE + 1e-5).all())
                grads = torch.autograd.grad(y.sum() + log_slope.clamp(-1e4).sum(), given)
                assert not any(g.isnan().any() for g in grads)
            if top not in values:
                assert_root(mix_logistic_inverse(x, *raw, axis=-1)[0], x, raw)
    nothing = torch.tensor([[math.nan]], dtype=dtype)
    for function in FUNCTIONS:
        assert bool(function(nothing, *(torch.zeros(1, 2, dtype=dtype) for _ in range(3)), axis=-1)[0].isnan().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bits(dtype: torch.dtype) -> None:
    x, raw = points((20, 4), 11, torch.float32).clamp(-100, 100), raws((20, 4), -1, 3, 1.0, 12, torch.float32)
    expected = mix_logistic(x.to(dtype).float(), *(t.to(dtype).float() for t in raw), axis=-1)
    for found, wanted in zip(mix_logistic(x.to(dtype), *(t.to(dtype) for t in raw), axis=-1), expected, strict=True):
        assert found.dtype == dtype and torch.equal(found, wanted.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, log_slope = mix_logistic(x.bfloat16(), *raw, axis=-1)
        back, _ = mix_logistic_inverse(y, *raw, axis=-1)
    assert (y.dtype, log_slope.dtype, back.dtype) == (torch.bfloat16, torch.float32, torch.bfloat16)


@pytest.mark.parametrize("count", [1, 3])
def test_gradients(count: int) -> None:
    x = torch.tensor([[-2.9, -0.7, 0.3, 13.5]], dtype=torch.float64, requires_grad=True)
    raw = [t.requires_grad_() for t in raws((1, 4), -1, count, 0.7, 13, torch.float64)]
    for function in FUNCTIONS:
        assert torch.autograd.gradcheck(lambda *a, f=function: f(*a, axis=-1), (x, *raw), atol=1e-6)
    assert torch.autograd.gradgradcheck(lambda *a: mix_logistic(*a, axis=-1), (x, *raw), atol=1e-5)
    y, log_slope = mix_logistic(x, *raw, axis=-1)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope.log(), log_slope, rtol=1e-10, atol=1e-12)
    back, _ = mix_logistic_inverse(x, *raw, axis=-1)
    with pytest.raises(RuntimeError, match="second derivatives"):
        torch.autograd.grad(back.sum(), x, create_graph=True)


def test_gradients_of_the_inverse_are_those_of_the_dense_inverse() -> None:
    """J^-1 for the value, and -J^-1 df/dparameters for the parameters, J from autograd of the forward map."""
    y = torch.tensor([-1.5, 0.2, 4.0], dtype=torch.float64)
    raw = [t[0] for t in raws((1, 3), -1, 4, 1.0, 14, torch.float64)]

    def forward(x: Tensor, *params: Tensor) -> Tensor:
        return mix_logistic(x[None], *(p[None] for p in params), axis=-1)[0][0]

    def inverse(z: Tensor, *params: Tensor) -> Tensor:
        return mix_logistic_inverse(z[None], *(p[None] for p in params), axis=-1)[0][0]

    x = inverse(y, *raw)
    by_x, *by_raw = torch.autograd.functional.jacobian(forward, (x, *raw))
    by_z, *found = torch.autograd.functional.jacobian(inverse, (y, *raw))
    torch.testing.assert_close(by_z, torch.linalg.inv(by_x), rtol=1e-11, atol=1e-12)
    for one, expected in zip(found, by_raw, strict=True):
        torch.testing.assert_close(one, -torch.linalg.solve(by_x, expected), rtol=1e-10, atol=1e-12)


def test_log_scales_are_held() -> None:
    """Beyond 16 a log-scale is 16, below -16 it is -16, and between the two it is itself."""
    x = torch.tensor([[0.7]], dtype=torch.float64)
    zero = torch.zeros_like(x)
    for given, held in ((-20.0, -16.0), (-16.0, -16.0), (-15.5, -15.5), (7.3, 7.3), (16.5, 16.0)):
        y, log_slope = mix_logistic(x, zero, zero, torch.full_like(x, given), axis=-1)
        assert float(y) == pytest.approx(0.7 * math.exp(-held), rel=1e-9, abs=1e-15)
        assert float(log_slope) == pytest.approx(-held, abs=1e-9)


def test_parameters_without_a_batch() -> None:
    """What is the same for all inputs is broadcast, of each channel of an image too."""
    x = points((4, 2, 3, 3), 15)
    raw = raws((2, 1, 1), -3, 4, 1.0, 16, torch.float64)
    for function in FUNCTIONS:
        found = function(x, *raw, axis=-3)
        expected = function(x, *(t.expand(4, -1, 3, 3) for t in raw), axis=-3)
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-14)


def test_without_numbers() -> None:
    with torch.device("meta"):
        x, raw = torch.empty(2, 3, 4, 4), [torch.empty(2, 15, 4, 4) for _ in range(3)]
    assert all(t.shape == x.shape and t.is_meta for t in mix_logistic(x, *raw, axis=-3))
    with FakeTensorMode():
        fake, others = torch.empty(5, 3), [torch.empty(5, 6) for _ in range(3)]
        assert all(t.shape == (5, 3) for t in mix_logistic(fake, *others, axis=-1))
    for function in FUNCTIONS:
        empty = function(torch.empty(0, 3), *(torch.empty(0, 6) for _ in range(3)), axis=-1)
        assert all(t.shape == (0, 3) for t in empty)


def test_densities_of_mixtures() -> None:
    """Through a logistic prior the density of x is that of the mixture, which torch knows."""
    x, (logits, means, log_scales) = points((30, 1), 17).clamp(-300, 300), raws((30, 1), -1, 3, 1.0, 18, torch.float64)
    y, log_slope = mix_logistic(x, logits, means, log_scales, axis=-1)
    log_prob = nn.functional.logsigmoid(y) + nn.functional.logsigmoid(-y) + log_slope
    z = (x - means) * torch.exp(-log_scales)
    each = nn.functional.logsigmoid(z) + nn.functional.logsigmoid(-z) - log_scales
    expected = torch.logsumexp(torch.log_softmax(logits, -1) + each, -1, keepdim=True)
    torch.testing.assert_close(log_prob, expected, rtol=1e-12, atol=1e-12)
