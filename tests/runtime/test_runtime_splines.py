"""Splines alone: against the interpreter's, their inverse, and numbers at which they could break."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.dual import constant, variables
from mintdsl.core.interpret_bends import bent
from mintdsl.runtime.splines import check_bins, rq_spline, rq_spline_inverse, spline_knots

torch.set_num_threads(1)


def raws(shape: tuple[int, ...], axis: int, bins: int, scale: float, seed: int, dtype: torch.dtype) -> list[Tensor]:
    """Widths, heights and slopes for a tensor of this shape."""
    made = torch.Generator().manual_seed(seed)
    found = []
    for count in (bins, bins, bins - 1):
        sizes = list(shape)
        sizes[axis] *= count
        found.append(scale * torch.randn(sizes, generator=made, dtype=torch.float64).clamp(-3, 3).to(dtype))
    return found


def points(shape: tuple[int, ...], bound: float, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Inside and outside, at 0, at both ends and beside them."""
    made = torch.Generator().manual_seed(seed)
    x = bound * torch.randn(shape, generator=made, dtype=torch.float64)
    special = (0.0, bound, -bound, math.nextafter(bound, 0), math.nextafter(-bound, -9), 1e30, -1e30)
    x.flatten()[: len(special)] = torch.tensor(special, dtype=torch.float64)
    return x.to(dtype)


@pytest.mark.parametrize(("dims", "axis"), [((4,), -1), ((3, 2), -1), ((2, 2, 3), -3)])
@pytest.mark.parametrize(("bins", "bound", "floor"), [(2, 3.0, 1e-3), (5, 1.5, 0.05), (8, 10.0, 1e-5)])
def test_against_the_definition(dims: tuple[int, ...], axis: int, bins: int, bound: float, floor: float) -> None:
    shape = (3, *dims)
    x, raw = points(shape, bound, 1), raws(shape, axis, bins, 2.0, 2, torch.float64)
    y, log_slope = rq_spline(x, *raw, axis=axis, bound=bound, floor=floor)
    for row in range(3):
        own = [[constant(float(v)) for v in t[row].flatten()] for t in raw]
        expected = bent("rq_spline", variables(x[row].flatten().tolist()), own, dims, (bound, floor))
        for k, (one, found, slope) in enumerate(zip(expected, y[row].flatten(), log_slope[row].flatten(), strict=True)):
            assert float(found) == pytest.approx(one.value, rel=1e-11, abs=1e-11)
            assert float(slope) == pytest.approx(math.log(one.gradient[k]), rel=1e-9, abs=1e-9)
            assert set(one.gradient) == {k}


def test_knots_are_met() -> None:
    raw = raws((1, 1), -1, 6, 1.0, 3, torch.float64)
    knots = spline_knots(raw[0], 3.0, 0.01)[0]
    heights = spline_knots(raw[1], 3.0, 0.01)[0]
    inner = [0.01 + math.log1p(math.exp(float(v))) for v in raw[2][0]]
    slopes = torch.tensor([1.0, *inner, 1.0], dtype=torch.float64)
    for nudge in (-1e-12, 0.0, 1e-12):  # the slope is the same on both sides: the spline is C1
        y, log_slope = rq_spline((knots + nudge)[:, None], *raw, axis=-1, bound=3.0, floor=0.01)
        torch.testing.assert_close(y[:, 0], heights, rtol=0, atol=1e-10)
        torch.testing.assert_close(log_slope.exp()[:, 0], slopes, rtol=1e-8, atol=0)


def test_the_identity() -> None:
    """At zeros bins are equal; a slope of 1 is softplus of log(exp(1 - floor) - 1)."""
    x = points((2, 9), 3.0, 4)
    zeros, ones = torch.zeros(2, 36), torch.full((2, 27), math.log(math.expm1(1 - 1e-3)))
    y, log_slope = rq_spline(x, zeros.double(), zeros.double(), ones.double(), axis=-1, bound=3.0, floor=1e-3)
    torch.testing.assert_close(y, x, rtol=0, atol=1e-7)
    torch.testing.assert_close(log_slope, torch.zeros_like(x), rtol=0, atol=1e-6)
    raw = raws((2, 9), -1, 4, 3.0, 5, torch.float64)
    y, log_slope = rq_spline(x, *raw, axis=-1, bound=3.0, floor=1e-3)
    outside = x.abs() >= 3
    assert outside.sum() >= 5 and torch.equal(y[outside], x[outside]) and not log_slope[outside].any()


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0])
def test_inverse(dtype: torch.dtype, near: float, scale: float) -> None:
    x, raw = points((40, 6), 3.0, 6, dtype), raws((40, 6), -1, 7, scale, 7, dtype)
    settings = {"axis": -1, "bound": 3.0, "floor": 1e-2}
    y, log_slope = rq_spline(x, *raw, **settings)
    back, of_inverse = rq_spline_inverse(y, *raw, **settings)
    again, _ = rq_spline(back, *raw, **settings)
    torch.testing.assert_close(again, y, rtol=near, atol=near)
    well = log_slope > -3  # elsewhere y hardly determines x
    assert well.float().mean() > 0.4
    torch.testing.assert_close(back[well], x[well], rtol=near, atol=100 * near)
    torch.testing.assert_close(of_inverse[well], log_slope[well], rtol=0, atol=1e4 * near)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_extremes(dtype: torch.dtype) -> None:
    top = 1e4 if dtype in (torch.float16, torch.bfloat16) else torch.finfo(dtype).max
    made = torch.Generator().manual_seed(8)
    values = torch.tensor([0.0, 1e4, -1e4, top, -top, 1.0, -0.0, 1e-4], dtype=dtype)
    for bins, floor in ((2, 1e-5), (9, 1e-3), (9, 0.11)):
        chosen = [torch.randint(0, len(values), (60, 4 * n), generator=made) for n in (bins, bins, bins - 1)]
        raw = [values[c].requires_grad_() for c in chosen]
        x = points((60, 4), 3.0, 9, torch.float32).clamp(-6e4, 6e4).to(dtype).requires_grad_()
        bounds = BIJECTIONS["rq_spline"].slope(3.0, floor)
        for function in (rq_spline, rq_spline_inverse):
            y, log_slope = function(x, *raw, axis=-1, bound=3.0, floor=floor)
            assert y.dtype == log_slope.dtype == dtype and torch.isfinite(y).all() and torch.isfinite(log_slope).all()
            slope = log_slope.double().exp()
            assert bool((slope > 0.9 * bounds.lo).all() and (slope < 1.1 * bounds.hi).all())
            grads = torch.autograd.grad(y.float().sum() + log_slope.float().sum(), (x, *raw))
            assert not any(g.isnan().any() for g in grads)
    inf = torch.tensor([[math.inf, -math.inf, math.nan]])
    y, _ = rq_spline(inf, *raws((1, 3), -1, 4, 1.0, 10, torch.float32), axis=-1, bound=3.0, floor=1e-3)
    assert torch.equal(y[:, :2], inf[:, :2]) and bool(y[0, 2].isnan())


def test_autocast_keeps_logarithms_wide() -> None:
    x, raw = points((3, 4), 3.0, 14, torch.bfloat16), raws((3, 4), -1, 4, 1.0, 15, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, log_slope = rq_spline(x, *raw, axis=-1, bound=3.0, floor=1e-3)
    assert (y.dtype, log_slope.dtype) == (torch.bfloat16, torch.float32)


def test_slopes_come_near_their_bounds() -> None:
    """The bounds that proofs state are no wider than they need be: a factor 2 at most."""
    floor = 0.01
    x = torch.linspace(-3, 3, 20001, dtype=torch.float64)[:, None]
    wide, narrow, steep = torch.tensor([[40.0, -40.0]]), torch.tensor([[-40.0, 40.0]]), torch.tensor([[1e4]])
    _, low = rq_spline(x, wide.double(), narrow.double(), steep.double(), axis=-1, bound=3.0, floor=floor)
    _, high = rq_spline(x, narrow.double(), wide.double(), -steep.double(), axis=-1, bound=3.0, floor=floor)
    bounds = BIJECTIONS["rq_spline"].slope(3.0, floor)
    assert bounds.lo <= low.exp().min() <= 5 * bounds.lo
    assert bounds.hi / 5 <= high.exp().max() <= bounds.hi


def test_gradients() -> None:
    x = torch.tensor([[-2.9, -0.7, 0.3, 3.5]], dtype=torch.float64, requires_grad=True)
    raw = [t.requires_grad_() for t in raws((1, 4), -1, 3, 0.7, 11, torch.float64)]
    settings = {"axis": -1, "bound": 3.0, "floor": 0.02}
    for function in (rq_spline, rq_spline_inverse):
        assert torch.autograd.gradcheck(lambda *a, f=function: f(*a, **settings), (x, *raw), atol=1e-6)
        assert torch.autograd.gradgradcheck(lambda *a, f=function: f(*a, **settings), (x, *raw), atol=1e-5)
    y, log_slope = rq_spline(x, *raw, **settings)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope.log(), log_slope, rtol=1e-10, atol=1e-12)


def test_parameters_without_a_batch() -> None:
    """What is the same for all inputs is broadcast, of each channel of an image too."""
    x = points((4, 2, 3, 3), 3.0, 12)
    raw = raws((2, 1, 1), -3, 4, 1.0, 13, torch.float64)
    y, log_slope = rq_spline(x, *raw, axis=-3, bound=3.0, floor=1e-3)
    full = [t.expand(4, -1, 3, 3) for t in raw]
    expected = rq_spline(x, *full, axis=-3, bound=3.0, floor=1e-3)
    assert torch.equal(y, expected[0]) and torch.equal(log_slope, expected[1])


def test_without_numbers() -> None:
    with torch.device("meta"):
        x, raw = torch.empty(2, 3, 4, 4), [torch.empty(2, 3 * n, 4, 4) for n in (5, 5, 4)]
    with FakeTensorMode():
        fake, others = torch.empty(0, 3), [torch.empty(0, 3 * n) for n in (5, 5, 4)]
        for function in (rq_spline, rq_spline_inverse):
            assert all(t.shape == (0, 3) for t in function(fake, *others, axis=-1, bound=3.0, floor=1e-3))
    for function in (rq_spline, rq_spline_inverse):
        assert all(t.shape == x.shape and t.is_meta for t in function(x, *raw, axis=-3, bound=3.0, floor=1e-3))
    empty = rq_spline(torch.empty(0, 3), *(torch.empty(0, 3 * n) for n in (5, 5, 4)), axis=-1, bound=3.0, floor=1e-3)
    assert all(t.shape == (0, 3) for t in empty)


@pytest.mark.parametrize(("bins", "floor"), [(1, 1e-3), (0, 1e-3), (1000, 1e-3), (20, 0.05)])
def test_numbers_of_bins(bins: int, floor: float) -> None:
    with pytest.raises(ValueError, match=f"Layer: {bins} bins"):
        check_bins("Layer", bins, floor)
    check_bins("Layer", 2, 0.49)
