"""I + U V by the helpers against the dense matrix: values, inverses, log-dets, what is stored, how little is made."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mintdsl.core.interpret_factors import woodbury
from mintdsl.runtime import low_rank as r
from mintdsl.runtime.assumptions import low_rank_regularity
from mintdsl.runtime.factors import refuse_matrix
from mintdsl.runtime.parametrise import positive_softplus

SIZES = [(1, 1), (2, 1), (2, 2), (5, 1), (5, 3), (5, 5), (12, 4)]
EXTREMES = (0.0, 1e-38, -1.0, 90.0, -90.0, 3e38, -3e38, 6e4, -6e4, 1e-3)


def drawn(n: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Raw numbers [2, d, n] and signs [d]."""
    made = torch.Generator().manual_seed(seed)
    raw = torch.randn(2, d, n, generator=made, dtype=torch.float64).to(dtype)
    return raw, torch.where(torch.rand(d, generator=made) < 0.5, -1.0, 1.0).to(dtype)


def matrix_of(form: str, raw: Tensor, sign: Tensor) -> Tensor:
    """The matrix by the formula of the paper, or by the loops of the interpreter."""
    raw = raw.double()
    if form == "low_rank":
        return torch.eye(raw.shape[-1], dtype=torch.float64) + raw[0].mT @ raw[1]
    diagonal = (sign.double() * positive_softplus(raw[1].diagonal())).tolist()
    return torch.tensor(woodbury(raw[0].tolist(), raw[1].tolist(), diagonal), dtype=torch.float64)


def stored_of(form: str, raw: Tensor, sign: Tensor) -> Tensor:
    return raw if form == "low_rank" else r.regular_low_rank(raw, sign)


@pytest.mark.parametrize("form", ["woodbury", "low_rank"])
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_helpers_are_those_of_the_matrix(form: str, n: int, d: int) -> None:
    for seed in range(4):
        raw, sign = drawn(n, d, seed)
        expected, stored = matrix_of(form, raw, sign), stored_of(form, raw, sign)
        assert torch.allclose(r.dense_low_rank(form, stored), expected, rtol=1e-12, atol=1e-12)
        assert r.dense_low_rank(form, stored, (0, 0)).shape == (n, n, 1, 1)
        for shape in ((4, n), (3, n, 2, 5), (0, n, 2, 2)):
            x = torch.randn(shape, dtype=torch.float64)
            y = r.apply_low_rank(form, stored, x)
            assert torch.allclose(y, torch.einsum("mn,bn...->bm...", expected, x), rtol=1e-11, atol=1e-11)
            slack = 1e-11 * float(torch.linalg.cond(expected))
            assert torch.allclose(r.solve_low_rank(form, stored, y), x, rtol=1e-10, atol=slack)
            exact = math.prod(shape[2:]) * torch.linalg.slogdet(expected)[1]
            assert torch.allclose(r.low_rank_log_det(form, stored, x), exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", ["woodbury", "low_rank"])
def test_gradients_of_both_ways(form: str) -> None:
    raw, sign = drawn(4, 2, 1)
    x = torch.randn(2, 4, 2, dtype=torch.float64)
    for way in (r.apply_low_rank, r.solve_low_rank, r.low_rank_log_det):

        def made(w: Tensor, v: Tensor, way: Any = way) -> Tensor:
            return way(form, stored_of(form, w, sign), v)

        assert torch.autograd.gradcheck(made, (raw.clone().requires_grad_(), x.clone().requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_every_raw_tensor_gives_regular_factors(dtype: torch.dtype) -> None:
    """Whatever is stored the corner's diagonal is not 0, and the reflections are orthogonal."""
    most = torch.finfo(dtype).max
    for seed, (n, d) in itertools.product(range(12), ((1, 1), (3, 2), (4, 4))):
        made = torch.Generator().manual_seed(seed)
        places = torch.randint(len(EXTREMES), (2, d, n), generator=made)
        raw = torch.tensor(EXTREMES, dtype=torch.float64)[places].clamp(-most, most).to(dtype).requires_grad_()
        stored = r.regular_low_rank(raw, drawn(n, d, seed, dtype)[1])
        assert stored.dtype == dtype and torch.isfinite(stored).all()
        assert (stored[1].diagonal().abs() >= 2.0**-20).all()
        log_det = r.low_rank_log_det("woodbury", stored, torch.ones(1, n, dtype=dtype))
        assert torch.isfinite(log_det)
        v, after = r.mirrors(stored[0].mT)
        q = (torch.eye(n) - v @ after).double()
        slack = 64 * torch.finfo(torch.promote_types(dtype, torch.float32)).eps
        assert float((q.mT @ q - torch.eye(n)).detach().abs().max()) <= slack


def test_what_is_far_from_the_identity_still_goes_back_in_float32() -> None:
    raw, sign = drawn(16, 4, 3, torch.float32)
    raw[1] *= 5.0
    stored = r.regular_low_rank(raw, sign)
    x = torch.randn(8, 16)
    back = r.solve_low_rank("woodbury", stored, r.apply_low_rank("woodbury", stored, x))
    condition = float(torch.linalg.cond(matrix_of("woodbury", raw, sign)))
    assert float((back - x).abs().max()) <= 1e-6 * condition


@pytest.mark.parametrize(("n", "d"), SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_right_inverse(n: int, d: int, dtype: torch.dtype) -> None:
    """A pair, or its matrix, becomes the form and comes back: U and V of any size."""
    for seed, scale in itertools.product(range(3), (1e-2, 1.0, 30.0)):
        pair = (scale * drawn(n, d, seed)[0]).to(dtype)
        value = matrix_of("low_rank", pair, pair).to(dtype)
        for given in (pair, r.pair_of(value, d).to(dtype)):
            raw, sign = r.woodbury_form(given)
            assert raw.dtype == sign.dtype == dtype and raw.shape == pair.shape
            found = r.dense_low_rank("woodbury", r.regular_low_rank(raw, sign))
            refuse_matrix("W", "woodbury", value, found)
        refuse_matrix("W", "raw", value, r.dense_low_rank("low_rank", r.pair_of(value, d).to(dtype)))


def test_what_a_rank_does_not_hold_is_refused() -> None:
    rotation = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    for value, rank in ((rotation, 1), (torch.diag(torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)), 2)):
        raw, sign = r.woodbury_form(r.pair_of(value, rank))
        got = r.dense_low_rank("woodbury", r.regular_low_rank(raw, sign))
        assert torch.linalg.slogdet(got)[1] >= rank * math.log(2.0**-19.1)
        with pytest.raises(ValueError, match="via woodbury"):
            refuse_matrix("W", "woodbury", value, got)
    raw, sign = r.woodbury_form(r.pair_of(rotation, 2))
    refuse_matrix("W", "woodbury", rotation, r.dense_low_rank("woodbury", r.regular_low_rank(raw, sign)))
    with pytest.raises(ValueError, match="a rank of 4 on 3 channels"):
        r.check_rank("A", 4, 3)


def test_how_far_the_small_matrix_is_from_singular() -> None:
    pair = torch.zeros(2, 2, 3)
    assert low_rank_regularity(pair) == 1
    pair[0, 0, 0], pair[1, 0, 0] = 1.0, -1.0
    assert low_rank_regularity(pair) == 0
    pair[1, 0, 0] = -1.0 + 2.0**-22
    assert low_rank_regularity(pair) == 0  # rounding of U and V may have made the difference
    pair[1, 0, 0] = -0.5
    assert 0.2 < float(low_rank_regularity(pair)) <= 0.5
    pair[:, 1] = torch.tensor([[1e6, 1e6, 0.0], [1e6, -1e6, 0.0]])  # V U = -0.5, of terms of size 1e12
    assert low_rank_regularity(pair) == 0
    pair[0, 0, 1] = math.nan
    assert torch.isnan(low_rank_regularity(pair))


def test_near_the_identity_at_first() -> None:
    torch.manual_seed(0)
    for std, form in itertools.product((0.0, 0.01), ("woodbury", "low_rank")):
        pair = torch.empty(2, 4, 32, dtype=torch.float64)
        r.low_rank_near_identity(pair, std)
        assert pair[0].std() > 5e-3  # with V = 0 gradients reach V
        stored = r.regular_low_rank(*r.woodbury_form(pair)) if form == "woodbury" else pair
        off = r.dense_low_rank(form, stored) - torch.eye(32, dtype=torch.float64)
        assert torch.allclose(off, pair[0].mT @ pair[1], atol=1e-6)
        assert float(off.abs().max()) <= (1e-2 if std else 1e-6)


class Largest(TorchDispatchMode):
    """The number of elements of the largest tensor that an operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(one, Tensor):
                self.found = max(self.found, one.numel())
        return result


@pytest.mark.parametrize("form", ["woodbury", "low_rank"])
def test_the_matrix_is_never_made(form: str) -> None:
    """Of n = 512 and d = 3 nothing is larger than U and V, or than the batch: gradients included."""
    raw, sign = drawn(512, 3, 0)
    raw = (0.1 * raw).requires_grad_()
    x = torch.randn(2, 512, 2, dtype=torch.float64, requires_grad=True)
    with Largest() as largest:
        stored = stored_of(form, raw, sign)
        y = r.apply_low_rank(form, stored, x)
        back = r.solve_low_rank(form, stored, y)
        (back.sum() + y.square().sum() + r.low_rank_log_det(form, stored, x)).backward()
        r.woodbury_form(raw)
    assert largest.found <= max(raw.numel(), x.numel())
