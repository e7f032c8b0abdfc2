"""Matrices kept as factors: total in floating point, their helpers agree with plain matrices, right inverses."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from mintdsl.core import ir
from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.interpret_factors import factored
from mintdsl.core.interpret_moves import drawn, sources
from mintdsl.runtime import factors as f
from mintdsl.runtime.assumptions import regularity
from mintdsl.runtime.inits import Place, fill_orthogonal
from mintdsl.runtime.parametrise import nonzero_signed
from mintdsl.runtime.steps import permutation, permuted

FORMS = [v.name for c in CONSTRAINTS if c.quantity == "det" and c.ready for v in c.via if v.ready]
FORMS.remove("dominant")  # of kernels, as a whole: tests/codegen tests it
FORMS.remove("woodbury")  # test_runtime_low_rank.py
KEPT = [form for form in FORMS if form != "raw"]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
UNIT = ("unit_lower", "unit_upper")


def stored_of(form: str, raw: Tensor, sign: Tensor) -> Tensor:
    """What the generator writes: the diagonal constrained, the rest as it is."""
    given = raw.diagonal()
    if form in UNIT:
        diagonal = torch.ones_like(given)
    else:
        diagonal = f.signs_only(given, sign) if form == "householder" else nonzero_signed(given, sign)
    return torch.where(torch.eye(len(raw), dtype=torch.bool), torch.diag_embed(diagonal), raw)


def parts(form: str, n: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random raw numbers, signs and order, and what is stored."""
    made = torch.Generator().manual_seed(seed)
    raw = torch.randn(n, n, generator=made, dtype=torch.float64).to(dtype)
    sign = torch.where(torch.rand(n, generator=made) < 0.5, -1.0, 1.0).to(dtype)
    order = torch.randperm(n, generator=made)
    return raw, sign, order, raw if form == "raw" else stored_of(form, raw, sign)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_helpers_are_those_of_the_matrix(form: str, n: int) -> None:
    for seed in range(5):
        raw, sign, order, stored = parts(form, n, seed)
        dense = f.dense_factors(form, stored, order)
        values = [] if form == "raw" else stored.diagonal().tolist()
        expected = torch.tensor(factored(form, raw.tolist(), values, order.tolist()), dtype=torch.float64)
        assert torch.allclose(dense, expected, rtol=1e-12, atol=1e-12)
        for shape in ((4, n), (3, n, 2, 5), (0, n, 2, 2)):
            x = torch.randn(shape, dtype=torch.float64)
            weight = stored if len(shape) == 2 else stored[..., None, None]
            y = f.apply_factors(form, weight, x, order)
            assert torch.allclose(y, torch.einsum("mn,bn...->bm...", expected, x), rtol=1e-12, atol=1e-12)
            back = f.solve_factors(form, weight, y, order)
            assert torch.allclose(back, x, rtol=1e-10, atol=1e-10 * float(torch.linalg.cond(expected)))
            log_det = f.factors_log_det(form, weight, x)
            exact = math.prod(shape[2:]) * torch.linalg.slogdet(expected)[1]
            assert torch.allclose(log_det, exact, rtol=1e-10, atol=1e-10)


EXTREMES = (0.0, 1e-38, -1.0, 90.0, -90.0, 3e38, -3e38, 6e4, -6e4, 1e-3)


@pytest.mark.parametrize("form", KEPT)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_raw_tensor_gives_regular_factors(form: str, dtype: torch.dtype) -> None:
    """The factors are regular as the numbers that they are: triangles without a 0 on the diagonal, reflections."""
    most = torch.finfo(dtype).max
    for seed, n in itertools.product(range(20), (1, 2, 4)):
        made = torch.Generator().manual_seed(seed)
        places = torch.randint(len(EXTREMES), (n, n), generator=made)
        raw = torch.tensor(EXTREMES, dtype=torch.float64)[places].clamp(-most, most).to(dtype).requires_grad_()
        sign = torch.where(torch.rand(n, generator=made) < 0.5, -1.0, 1.0).to(dtype)
        stored = stored_of(form, raw, sign)
        assert torch.isfinite(stored).all() and (stored.diagonal() != 0).all()
        x = torch.ones(1, n, dtype=dtype)
        log_det = f.factors_log_det(form, stored, x)
        assert torch.isfinite(log_det) and (form not in (*UNIT, "householder") or log_det == 0)
        if form in ("qr", "householder"):
            q = f.reflections(stored).double()
            assert (
                float((q.mT @ q - torch.eye(n, dtype=torch.float64)).detach().abs().max())
                <= 16 * torch.finfo(dtype).eps
            )
        if log_det.requires_grad and dtype != torch.float16:  # there 2^20, the slope of log at the floor, is none
            (gradient,) = torch.autograd.grad(log_det, raw, allow_unused=True)
            assert gradient is None or torch.isfinite(gradient).all()


def test_a_product_may_round_to_what_is_singular_the_factors_do_not() -> None:
    stored = torch.tensor([[1.0, 1.0], [1e8, 1.0]])
    product = f.dense_factors("plu", stored, torch.arange(2)).double().tolist()
    (a, b), (c, d) = [[Fraction(v) for v in row] for row in product]
    assert a * d - b * c == 0
    assert f.factors_log_det("plu", stored, torch.zeros(1, 2)) == 0


def test_reflections_at_nearly_the_same_vectors() -> None:
    for dtype, slack in ((torch.float32, 1e-5), (torch.float64, 1e-13)):
        for n in (2, 17, 64):
            stored = torch.ones(n, n, dtype=dtype) + 1e-3 * torch.randn(n, n, dtype=dtype)
            q = f.reflections(stored)
            assert float((q.mT @ q - torch.eye(n, dtype=dtype)).abs().max()) <= slack


@pytest.mark.parametrize("form", KEPT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_right_inverse(form: str, n: int, dtype: torch.dtype) -> None:
    for seed in range(6):
        _, _, order, stored = parts(form, n, seed, torch.float64)
        value = f.dense_factors(form, stored, order).to(dtype)
        raw, sign, rows = f.factorise(form, value)
        assert raw.dtype == sign.dtype == dtype
        found = f.dense_factors(form, stored_of(form, raw, sign), rows)
        f.refuse_matrix("W", form, value, found)
        assert torch.allclose(found, value, rtol=0.0, atol=float(value.abs().max()) * 200 * n * torch.finfo(dtype).eps)


@pytest.mark.parametrize("form", KEPT)
def test_any_initial_value_is_stored_as_something_regular(form: str) -> None:
    for value in (torch.zeros(3, 3), torch.ones(3, 3), torch.eye(3), -torch.eye(3), torch.randn(3, 3)):
        raw, sign, order = f.factorise(form, value)
        dense = f.dense_factors(form, stored_of(form, raw, sign), order)
        assert torch.isfinite(dense).all()
        assert torch.linalg.slogdet(dense.double())[1] >= 3 * math.log(2.0**-19.1)
    eye = torch.eye(4)
    raw, sign, order = f.factorise(form, eye)
    assert torch.allclose(f.dense_factors(form, stored_of(form, raw, sign), order), eye, atol=1e-6)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("plu", torch.tensor([[1.0, 2.0], [2.0, 4.0]])),
        ("qr", torch.tensor([[0.0, 0.0], [0.0, 1.0]])),
        ("lower", torch.tensor([[1.0, 1e-3], [0.0, 1.0]])),
        ("lower", torch.tensor([[0.0, 0.0], [3.0, 1.0]])),
        ("upper", torch.tensor([[1.0, 0.0], [1e-3, 1.0]])),
        ("unit_lower", torch.tensor([[2.0, 0.0], [0.0, 1.0]])),
        ("unit_upper", torch.tensor([[1.0, 0.0], [0.5, 1.0]])),
        ("householder", torch.tensor([[2.0, 0.0], [0.0, 1.0]])),
    ],
)
def test_what_a_form_does_not_hold_is_refused(form: str, value: Tensor) -> None:
    raw, sign, order = f.factorise(form, value.double())
    got = f.dense_factors(form, stored_of(form, raw, sign), order)
    with pytest.raises(ValueError, match=f"via {form}"):
        f.refuse_matrix("W", form, value.double(), got)


def test_how_far_from_singular() -> None:
    assert regularity(torch.eye(3)) == 1
    assert regularity(torch.tensor([[1.0, 2.0], [2.0, 4.0]])) == 0
    assert regularity(torch.zeros(2, 2)) == 0
    assert regularity(torch.tensor([[1.0, 1 / 3], [3.0, 1.0]])) == 0  # up to the rounding of 1/3
    assert torch.isnan(regularity(torch.tensor([[1.0, math.nan], [0.0, 1.0]])))
    assert 0 < float(regularity(torch.tensor([[1.0, 0.0], [0.0, 1e-3]]))) < 2e-3
    assert regularity(torch.eye(2)[..., None, None]).shape == ()


@pytest.mark.parametrize("direction", ["lower", "upper"])
@pytest.mark.parametrize(
    "order", [((1,),), ((-1,),), ((0, 1, 0), (0, 0, 1), (1, 0, 0)), ((0, 1, 1), (-1, 0, 0)), ((0, 1, 0),)]
)
def test_the_triangle_that_a_direction_reads(order: tuple[tuple[int, ...], ...], direction: str) -> None:
    from mintdsl.runtime.masks import kept_entries

    size, anchor = ((1, 1), (0, 0)) if len(order[0]) == 3 else ((), ())
    kept = kept_entries(order, direction, False, (4, 4), size, anchor).reshape(4, 4)
    other = torch.tril(kept, -1) if f.reads_later(order, direction) else torch.triu(kept, 1)
    assert not other.any()


def test_permutations_are_the_same_everywhere() -> None:
    assert permutation(6, 0) == drawn(6, 0)
    assert permutation(1, 5) == [0] and sorted(permutation(50, 7)) == list(range(50))
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float64).reshape(2, 3, 4, 5)
    for axis, place, rank, size in (("channel", -3, 1, 3), ("all", -1, 3, 60)):
        order = torch.tensor(permutation(size, 3))
        moved = permuted(x, order, place, rank)
        places = torch.tensor(sources(ir.Permute(axis, 3), (3, 4, 5)))
        assert torch.equal(moved.flatten(1), x.flatten(1)[:, places])
        assert torch.equal(permuted(moved, order.argsort(), place, rank), x)
    tokens = torch.randn(2, 4, 3)
    for axis, place, size in (("time", -2, 4), ("channel", -1, 3)):
        moved = permuted(tokens, torch.tensor(permutation(size, 1)), place)
        assert torch.equal(moved.flatten(1), tokens.flatten(1)[:, torch.tensor(sources(ir.Permute(axis, 1), (4, 3)))])


@pytest.mark.parametrize("shape", [(4, 4), (2, 5), (5, 2), (3, 3, 3, 3), (2, 3, 3)])
def test_orthogonal_initial_values(shape: tuple[int, ...]) -> None:
    value = torch.empty(shape, dtype=torch.float64)
    fill_orthogonal(value, Place(1, 1, (1, 2) if len(shape) == 4 else ()))
    if len(shape) == 4:
        assert int((value != 0).sum()) == 9
        value = value[:, :, 1, 2]
    rows, columns = value.shape[-2:]
    small = value @ value.mT if rows <= columns else value.mT @ value
    assert torch.allclose(small, torch.eye(min(rows, columns), dtype=torch.float64).expand(small.shape), atol=1e-12)
