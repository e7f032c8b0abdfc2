"""Every registered parametrisation: total on all finite raw numbers, right inverses, and what they refuse."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from mintdsl.core.constraints import CONSTRAINTS, Constraint, Parametrisation
from mintdsl.runtime import parametrise as p

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
BITS = {torch.float32: torch.int32, torch.float64: torch.int64, torch.bfloat16: torch.int16, torch.float16: torch.int16}
ALL = [(c, v) for c in CONSTRAINTS if c.ready and c.quantity == "diag" for v in c.via if v.ready]
ENFORCED = [(c, v) for c, v in ALL if not v.assumed]
NAMES = [f"{c.cmp} via {v.name}" for c, v in ENFORCED]

LOWER = [5e-324, 1e-45, 1e-30, 1e-12, 2.0**-20, 0.1, 1 / 3, 1.0, 7.3, 6e4, 1e30, 3e38]
BOTH = [
    (0.1, 0.9),
    (1e-12, 3.3),
    (1e-30, 1e30),
    (1e-45, 1e-44),
    (0.3, 0.3 + 1e-9),
    (1.0, 1.0 + 2.0**-52),
    (1.001, 1.002),
    (7e29, 1e30),
    (1e-300, 1e300),
    (60000.0, 1e9),
]


def bounds_of(constraint: Constraint) -> list[tuple[float, ...]]:
    """Numbers of a program for this constraint: tiny, huge, nearly equal, in no binary format, and random ones."""
    made = random.Random(7)
    if constraint.bounds == 0:
        return [()]
    if constraint.bounds == 1:
        return [(m,) for m in LOWER] + [(10.0 ** made.uniform(-37, 37),) for _ in range(6)]
    drawn = [(10.0 ** made.uniform(-37, 37), 1.0 + 10.0 ** made.uniform(-12, 3)) for _ in range(6)]
    return BOTH + [(m, m * factor) for m, factor in drawn]


def value_of(via: Parametrisation, bounds: tuple[float, ...], raw: Tensor, sign: Tensor | None = None) -> Tensor:
    """The effective value, as the generator writes it."""
    if via.name == "unit":
        return torch.ones_like(raw)
    function = getattr(p, via.runtime)
    return function(raw, sign) if via.signed else function(raw, *bounds)


def raw_of(via: Parametrisation, bounds: tuple[float, ...], value: Tensor) -> tuple[Tensor, Tensor | None]:
    """Raw numbers, and signs where they are stored."""
    inverse = getattr(p, f"{via.runtime}_inverse")
    return inverse(value) if via.signed else (inverse(value, *bounds), None)


def number_at(bound: float, dtype: torch.dtype, up: bool) -> float | None:
    """The number of the dtype next to `bound` inside [bound, inf) or (-inf, bound]; None if that is not finite."""
    near = torch.tensor(bound, dtype=torch.float64).to(dtype)
    if Fraction(bound) != (Fraction(near.item()) if math.isfinite(near.item()) else None):
        wrong = near.item() < bound if up else near.item() > bound
        if wrong:
            near = torch.nextafter(near, torch.tensor(math.inf if up else -math.inf, dtype=dtype))
    return near.item() if math.isfinite(near.item()) else None


def held(constraint: Constraint, bounds: tuple[float, ...], dtype: torch.dtype) -> bool:
    """Whether the dtype has a number in the set at all."""
    if not bounds:
        return True
    least = number_at(bounds[0], dtype, up=True)
    return least is not None and (len(bounds) == 1 or Fraction(least) <= Fraction(bounds[1]))


def patterns(dtype: torch.dtype, count: int = 1_000_000) -> Tensor:
    """Finite numbers: all of a 16-bit type; of the others random bit patterns, and all of bfloat16."""
    if BITS[dtype] is torch.int16:
        found = torch.arange(-(2**15), 2**15, dtype=torch.int64).to(torch.int16).view(dtype)
        return found[torch.isfinite(found)]
    made, half = torch.Generator().manual_seed(3), torch.iinfo(BITS[dtype])
    found = torch.randint(half.min, half.max, (count,), generator=made, dtype=BITS[dtype]).view(dtype)
    found = torch.cat([found, patterns(torch.bfloat16).to(dtype)])
    return found[torch.isfinite(found)]


def extremes(dtype: torch.dtype, bounds: tuple[float, ...] = ()) -> Tensor:
    """Where functions break: zeros, subnormals, ends of exp in each format, the largest numbers, and the bounds."""
    info = torch.finfo(dtype)
    numbers = [0.0, info.smallest_normal * info.eps, info.smallest_normal, 1e-6, 0.5, 1.0, 3.0, 11.0, 12.0, 20.0, 40.0]
    numbers += [41.0, 60.0, 61.0, 88.0, 89.0, 104.0, 200.0, 709.0, 710.0, 745.0, 1e4, info.max, *bounds]
    numbers += [b * (1 + s) for b in bounds for s in (-2.0 * info.eps, 2.0 * info.eps)]
    found = torch.tensor([s * v for v in numbers for s in (1.0, -1.0)], dtype=torch.float64).to(dtype)
    return found[torch.isfinite(found)]


def inside(constraint: Constraint, bounds: tuple[float, ...], value: Tensor) -> bool:
    """Whether every stored number lies in the constraint's set, compared as rationals: no rounding of the bound."""
    magnitude = value.abs() if constraint.cmp == "!= 0" else value
    least, most = Fraction(magnitude.min().item()), Fraction(magnitude.max().item())
    interval = constraint.interval(*bounds)
    above = least > interval.lo if interval.lo_open else least >= Fraction(interval.lo)
    return above and (interval.hi == math.inf or most <= Fraction(interval.hi))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("constraint", "via"), ENFORCED, ids=NAMES)
def test_total_and_inside(constraint: Constraint, via: Parametrisation, dtype: torch.dtype) -> None:
    """Each finite raw number gives a finite value inside the set, with a finite gradient."""
    many = patterns(dtype)
    for position, bounds in enumerate(bounds_of(constraint)):
        raw = torch.cat([extremes(dtype, bounds), many if position == 0 or len(many) < 2**17 else many[: 2**14]])
        raw.requires_grad_()
        if not held(constraint, bounds, dtype):
            with pytest.raises(ValueError, match="no number of"):
                value_of(via, bounds, raw)
            continue
        sign = torch.where(torch.arange(len(raw)) % 2 == 0, 1.0, -1.0).to(dtype)
        value = value_of(via, bounds, raw, sign)
        assert value.dtype == dtype and torch.isfinite(value).all(), bounds
        assert inside(constraint, bounds, value.detach()), bounds
        if via.signed:
            assert torch.equal(value.detach().sign(), sign)
        if value.requires_grad:
            value.backward(torch.ones_like(value))
            assert raw.grad is not None and torch.isfinite(raw.grad).all(), bounds


def test_what_is_assumed_and_not_kept() -> None:
    assert [(c.cmp, v.name) for c, v in ALL if v.assumed] == [("!= 0", "raw")]
    assert [v.name for _, v in ENFORCED if not v.runtime] == ["unit"]


def members(constraint: Constraint, via: Parametrisation, bounds: tuple[float, ...], dtype: torch.dtype) -> Tensor:
    """Numbers of the dtype inside the set that the parametrisation reaches, its ends among them."""
    found = patterns(dtype, 200_000)
    interval = constraint.interval(*bounds)
    ends = [
        number_at(interval.lo, dtype, up=True),
        number_at(min(interval.hi, torch.finfo(dtype).max), dtype, up=False),
    ]
    spread = torch.tensor([e for e in ends if e is not None], dtype=torch.float64)
    if len(bounds) == 2:
        spread = spread[0] + (spread[-1] - spread[0]) * torch.linspace(0, 1, 501, dtype=torch.float64)
    elif bounds:
        spread = bounds[0] * (1 + torch.logspace(-16, 3, 501, dtype=torch.float64))
    found = torch.cat([found, spread.to(dtype)])
    wide = found.double()
    magnitude = wide.abs() if constraint.cmp == "!= 0" else wide
    keep = (magnitude >= interval.lo) & (magnitude <= interval.hi) & torch.isfinite(wide)
    excess = magnitude - (p.round_up(bounds[0], dtype) if bounds else 0.0)
    if "exp" in via.name:  # "raw cut to [-60, 60]", and no result below the smallest normal number
        keep &= (excess >= max(math.exp(-59.9), torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps)) & (
            excess <= math.exp(59.9)
        )
    elif via.name in ("softplus", "signed") and not bounds:
        keep &= magnitude >= 2.0**-20
    return found[keep]


def rounding(via: Parametrisation, bounds: tuple[float, ...], value: Tensor, raw: Tensor, dtype: torch.dtype) -> Tensor:
    """The error of value(inverse(w)) that the docstrings allow."""
    info, size = torch.finfo(dtype), value.double().abs()
    least = info.smallest_normal * info.eps
    if via.name == "abs":
        return torch.zeros_like(size)
    if via.name == "sigmoid":
        return 4.0 * info.eps * torch.full_like(size, bounds[1]) + least
    excess = size - (p.round_up(bounds[0], dtype) if bounds else 0.0)
    below = raw.double().abs() if "exp" in via.name else (-raw.double()).clamp(min=0.0)
    return info.eps * (3.0 * size + below * excess) + 2.0 * least


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("constraint", "via"), ENFORCED, ids=NAMES)
def test_right_inverse(constraint: Constraint, via: Parametrisation, dtype: torch.dtype) -> None:
    """value(inverse(w)) is w, up to the rounding that is documented, all over the set."""
    if via.name == "unit":
        return  # there is nothing to store
    tried = 0
    for bounds in bounds_of(constraint):
        if not held(constraint, bounds, dtype):
            continue
        value = members(constraint, via, bounds, dtype)
        if not len(value):
            continue
        tried += len(value)
        raw, sign = raw_of(via, bounds, value)
        assert raw.dtype == dtype and torch.isfinite(raw).all(), bounds
        error = (value_of(via, bounds, raw, sign).double() - value.double()).abs()
        excess = error - rounding(via, bounds, value, raw, dtype)
        worst = int(excess.argmax())
        assert excess[worst] <= 0, (bounds, value[worst].item(), raw[worst].item(), error[worst].item())
    assert tried > 1000


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("constraint", "via"), ENFORCED, ids=NAMES)
def test_values_outside_of_the_set_are_refused(
    constraint: Constraint, via: Parametrisation, dtype: torch.dtype
) -> None:
    if via.name == "unit":
        return

    def outside(bounds: tuple[float, ...]) -> Iterator[float]:
        yield from (math.nan, math.inf, -math.inf)
        interval = constraint.interval(*bounds)
        below = torch.tensor(number_at(interval.lo, dtype, up=True), dtype=dtype)
        yield torch.nextafter(below, torch.tensor(-math.inf, dtype=dtype)).item()
        if constraint.cmp in ("> 0", "!= 0"):
            yield 0.0
        if constraint.cmp != "!= 0":
            yield -1.0
        if interval.hi < torch.finfo(dtype).max:
            above = torch.tensor(number_at(interval.hi, dtype, up=False), dtype=dtype)
            yield torch.nextafter(above, torch.tensor(math.inf, dtype=dtype)).item()

    for bounds in bounds_of(constraint):
        if held(constraint, bounds, dtype):
            for number in outside(bounds):
                if constraint.cmp == "!= 0" and math.isfinite(number) and number != 0.0:
                    continue  # next to 0 on the other side
                with pytest.raises(ValueError, match="must"):
                    raw_of(via, bounds, torch.tensor([number], dtype=torch.float64).to(dtype))


@pytest.mark.parametrize(
    ("call", "bad"),
    [
        (lambda v: p.at_least_softplus_inverse(v, 0.1), 0.0999),
        (lambda v: p.at_least_abs_inverse(v, 0.1), -1.0),
        (lambda v: p.at_least_exp_inverse(v, 0.1), 0.05),
        (lambda v: p.at_least_exp_inverse(v, 0.1), 1e30),
        (p.positive_softplus_inverse, 1e-8),
        (p.positive_exp_inverse, 0.0),
        (p.positive_exp_inverse, 1e-30),
        (p.nonnegative_abs_inverse, -1e-30),
        (p.nonnegative_square_inverse, -1.0),
        (p.nonzero_signed_inverse, 0.0),
        (p.nonzero_signed_exp_inverse, 0.0),
        (lambda v: p.between_sigmoid_inverse(v, 0.1, 0.9), 0.91),
        (lambda v: p.tied_inverse(v, torch.tensor([-1.0])), 0.5),
        (lambda v: p.tied_inverse(v, torch.tensor([0.0])), 0.5),
        (p.nonnegative_abs_inverse, math.nan),
        (p.nonnegative_abs_inverse, math.inf),
    ],
)
def test_refused(call: Callable[[Tensor], Tensor], bad: float) -> None:
    with pytest.raises(ValueError, match="must"):
        call(torch.tensor([bad]))


@pytest.mark.parametrize("dtype", (*DTYPES, torch.float16), ids=str)
def test_squares_that_add_up_to_1_at_most(dtype: torch.dtype) -> None:
    """Exactly, in fractions, for every raw tensor; and to 1 up to rounding. The inverse keeps each entry."""
    info = torch.finfo(dtype)
    ends = [0.0, 1.0, -1.0, -14.0, 30.0, 100.0, -100.0, info.tiny, -info.tiny, info.max, info.min]
    pairs = torch.cartesian_prod(*[torch.tensor(ends, dtype=dtype)] * 2)
    made = torch.Generator().manual_seed(0)
    drawn = [(5 * torch.randn(1000, n, generator=made, dtype=torch.float64)).to(dtype) for n in (1, 2, 3, 40)]
    for raw in (pairs, *drawn):
        value = p.unit_softplus(raw.requires_grad_())
        value.sum().backward()
        assert value.dtype == dtype and bool((value >= 0).all())
        assert raw.grad is not None and bool(torch.isfinite(raw.grad).all())
        for row in value.tolist():
            assert 1 - 8 * Fraction(info.eps) - len(row) * Fraction(2.0**-50) <= sum(Fraction(v) ** 2 for v in row) <= 1
        kept = value.detach()[(value.double() >= 2.0**-100).all(-1)]
        again = p.unit_softplus(p.unit_softplus_inverse(kept))
        assert bool(
            ((again.double() - kept.double()).abs() <= (24 + len(kept[0]) / 4) * info.eps * kept.double()).all()
        )
    half = p.of_length_one(torch.tensor([[-1.0, 1.0], [0.0, 3.0], [-3.0, 4.0]], dtype=dtype))
    wanted = torch.tensor([[0.5**0.5] * 2, [0.6, 0.8]], dtype=torch.float64)
    assert torch.allclose(half[[0, 2]].double(), wanted, rtol=2 * info.eps)
    assert bool((p.unit_softplus_inverse(half) <= 1e6).all())
    for bad in ([0.0, 1.0], [-0.6, 0.8], [0.6, 0.6], [1.0, 1.0], [math.nan, 1.0]):
        with pytest.raises(ValueError, match="must"):
            p.unit_softplus_inverse(torch.tensor(bad, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_signs(dtype: torch.dtype) -> None:
    value = torch.tensor([-3.0, 0.5, -0.01, 40.0], dtype=dtype)
    for make, back in (
        (p.nonzero_signed, p.nonzero_signed_inverse),
        (p.nonzero_signed_exp, p.nonzero_signed_exp_inverse),
    ):
        raw, sign = back(value)
        again = make(raw, sign)
        assert ((again - value).abs() <= 8 * torch.finfo(dtype).eps * value.abs()).all()
        assert (make(extremes(dtype), torch.tensor(-1.0, dtype=dtype)) < 0).all()
    sign = torch.tensor([-1.0, 0.0, 1.0], dtype=dtype)
    raw = torch.tensor([2.0, -2.0, -3.0], dtype=dtype)
    tied = p.tied(raw, sign)
    assert tied.tolist() == [-2.0, 0.0, 3.0]
    assert torch.equal(p.tied(p.tied_inverse(tied, sign), sign), tied)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_round_up_is_the_next_number(dtype: torch.dtype) -> None:
    for number in (0.1, -0.1, 1e-12, 1.0, 3.0, -7.7, 1e-40, 6e4, 1e30, 2.0**-20, -1e300):
        if number > torch.finfo(dtype).max:
            with pytest.raises(ValueError, match="no number of"):
                p.round_up(number, dtype)
            continue
        up = torch.tensor(p.round_up(number, dtype), dtype=dtype)
        assert up.double().item() == p.round_up(number, dtype) >= number
        below = torch.nextafter(up, torch.tensor(-math.inf, dtype=dtype))
        assert below.double().item() < number


def test_compiles_whole() -> None:
    def both(raw: Tensor) -> Tensor:
        return p.at_least_softplus(raw, 0.1) + p.between_sigmoid(raw, 0.1, 0.9) + p.positive_exp(raw)

    raw = torch.randn(5)
    torch.testing.assert_close(torch.compile(both, backend="eager", fullgraph=True)(raw), both(raw))


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        p.between_sigmoid(torch.zeros(1, dtype=torch.bfloat16), 1.001, 1.002)
