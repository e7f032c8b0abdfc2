from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from mintdsl.runtime import parametrise as p

DTYPES = [torch.float32, torch.float64, torch.bfloat16]
Case = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], float, float]


def sets(dtype: torch.dtype) -> dict[str, Case]:
    """Name: (function, right inverse, lower bound, upper bound), with bounds that no binary float holds."""
    inf, least = math.inf, torch.finfo(dtype).smallest_normal
    cases: dict[str, Case] = {
        "positive_softplus": (p.positive_softplus, p.positive_softplus_inverse, 2.0**-20, inf),
        "positive_exp": (p.positive_exp, p.positive_exp_inverse, least, inf),
        "nonnegative_abs": (p.nonnegative_abs, p.nonnegative_abs_inverse, 0.0, inf),
        "nonnegative_square": (p.nonnegative_square, p.nonnegative_square_inverse, 0.0, inf),
    }
    for m in (1e-12, 0.1, 1e-3, 7.3):
        for kind in ("softplus", "abs", "exp"):
            make, back = getattr(p, f"at_least_{kind}"), getattr(p, f"at_least_{kind}_inverse")
            cases[f"at_least_{kind} {m}"] = (
                lambda r, make=make, m=m: make(r, m),
                lambda w, back=back, m=m: back(w, m),
                m,
                inf,
            )
    for m, M in ((0.1, 0.9), (-0.3, 1.7), (1e-12, 3.3), (-1e38, 1e38)):
        cases[f"between {m} {M}"] = (
            lambda r, m=m, M=M: p.between_sigmoid(r, m, M),
            lambda w, m=m, M=M: p.between_sigmoid_inverse(w, m, M),
            m,
            M,
        )
    return cases


def extremes(dtype: torch.dtype) -> Tensor:
    info = torch.finfo(dtype)
    small = info.smallest_normal * info.eps
    numbers = [0.0, small, info.smallest_normal, 1e-6, 0.5, 1.0, 3.0, 20.0, 41.0, 60.0, 89.0, 200.0, 1e4, info.max]
    return torch.tensor([s * v for v in numbers for s in (1.0, -1.0)], dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", list(sets(torch.float32)))
def test_total_and_inside(name: str, dtype: torch.dtype) -> None:
    make, _, low, high = sets(dtype)[name]
    raw = torch.cat([extremes(dtype), torch.randn(500).to(dtype)]).requires_grad_()
    value = make(raw)
    assert value.dtype == dtype and torch.isfinite(value).all()
    for number in value.detach().double().tolist():  # compared as rationals: no rounding of the bound
        assert Fraction(number) >= Fraction(low)
        assert high == math.inf or Fraction(number) <= Fraction(high)
    value.sum().backward()
    assert raw.grad is not None and torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", list(sets(torch.float32)))
def test_right_inverse(name: str, dtype: torch.dtype) -> None:
    make, back, low, high = sets(dtype)[name]
    eps = torch.finfo(dtype).eps
    if "between" in name:
        spread = torch.linspace(0, 1, 201, dtype=torch.float64)
        wide = low * (1 - spread) + high * spread
        bounds, scale = (p.round_up(low, dtype), -p.round_up(-high, dtype)), max(abs(low), abs(high))
        value = wide.to(dtype).clamp(*bounds)
        raw = back(value)
        error = (make(raw).double() - value.double()).abs() / scale
        assert error.max() <= 4 * eps
        return
    start = 2.0**-60 if name == "positive_exp" else p.round_up(low, dtype)
    value = (start + torch.logspace(-10, 10, 301, dtype=torch.float64)).to(dtype)
    value = torch.cat([value, torch.tensor([start], dtype=dtype)])
    if "exp" in name and name != "positive_exp":
        value = value[value.double() - start > math.exp(-59.0)]
    raw = back(value)
    assert raw.dtype == dtype and torch.isfinite(raw).all()
    error = (make(raw).double() - value.double()).abs() / value.double().clamp(min=1e-300)
    # rounding raw moves exp(raw) by |raw| eps / 2 relatively; softplus is never more sensitive than exp
    conditioning = raw.double().abs() if "exp" in name or "softplus" in name else torch.zeros_like(error)
    sensitive = torch.where(raw.double() < 0, conditioning, conditioning if "exp" in name else 0 * conditioning)
    assert (error <= eps * (3 + sensitive)).all()


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
    for number in (0.1, -0.1, 1e-12, 1.0, 3.0, -7.7, 1e-40, 1e30, 2.0**-20):
        up = torch.tensor(p.round_up(number, dtype), dtype=dtype)
        assert up.double().item() == p.round_up(number, dtype) >= number
        below = torch.nextafter(up, torch.tensor(-math.inf, dtype=dtype))
        assert below.double().item() < number


def test_compiles_whole() -> None:
    def both(raw: Tensor) -> Tensor:
        return p.at_least_softplus(raw, 0.1) + p.between_sigmoid(raw, 0.1, 0.9)

    raw = torch.randn(5)
    torch.testing.assert_close(torch.compile(both, backend="eager", fullgraph=True)(raw), both(raw))


def test_an_empty_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="no number"):
        p.between_sigmoid(torch.zeros(1, dtype=torch.bfloat16), 1.001, 1.002)
