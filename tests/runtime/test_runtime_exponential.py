"""Exponentials of maps of bounded norm: terms that are enough, values against the dense matrix, round trips."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mintdsl.runtime.exponential import (
    apply_exponential,
    exponential_log_det,
    exponential_terms,
    undo_exponential,
)
from mintdsl.runtime.families import family_conv
from mintdsl.runtime.norms import spectral_conv, spectral_matrix

torch.set_num_threads(1)
LIMITS = (0.1, 0.95, 2.0, 4.0)


def kernel(channels: int, size: tuple[int, int], limit: float, image: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """A kernel at its limit."""
    made = torch.Generator().manual_seed(channels)
    raw = 50 * torch.randn(channels, channels, *size, generator=made, dtype=torch.float64)
    return spectral_conv(raw.to(dtype), limit, image)


def dense(weight: Tensor, anchor: tuple[int, int], image: tuple[int, int]) -> Tensor:
    """The matrix of a convolution, column by column."""
    channels = weight.shape[0]
    size = channels * image[0] * image[1]
    units = torch.eye(size, dtype=weight.dtype).reshape(size, channels, *image)
    return family_conv(units, weight, anchor).reshape(size, size).T


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_what_is_left_out_is_below_rounding(limit: float, dtype: torch.dtype) -> None:
    terms = exponential_terms(limit, dtype)
    left = limit ** (terms + 1) / math.factorial(terms + 1) * math.exp(limit)
    assert left <= 0.5 * torch.finfo(dtype).eps * math.exp(-limit) < math.exp(-limit)
    assert sum(limit**k / math.factorial(k) for k in range(terms + 1, terms + 60)) <= left
    if terms:
        fewer = limit**terms / math.factorial(terms) * math.exp(limit)
        assert fewer > 0.125 * torch.finfo(dtype).eps * math.exp(-limit)  # one term less would not do


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize(("size", "anchor"), [((3, 3), (1, 1)), ((2, 3), (0, 2)), ((1, 1), (0, 0))])
def test_against_the_exponential_of_the_dense_matrix(
    limit: float, size: tuple[int, int], anchor: tuple[int, int]
) -> None:
    image = (3, 4)
    weight = kernel(2, size, limit, image, torch.float64)
    matrix = dense(weight, anchor, image)
    assert limit / 4 <= float(torch.linalg.matrix_norm(matrix, 2)) <= limit
    x = torch.randn(5, 2, *image, dtype=torch.float64)
    wanted = (torch.linalg.matrix_exp(matrix) @ x.flatten(1).T).T.reshape(x.shape)
    found = apply_exponential(weight, x, limit, anchor)
    assert float((found - wanted).abs().max()) <= 1e-12 * math.exp(limit)
    assert float((undo_exponential(weight, found, limit, anchor) - x).abs().max()) <= 1e-14 * math.exp(2 * limit)
    log_det = float(exponential_log_det(weight, x, anchor))
    assert math.isclose(log_det, float(torch.linalg.slogdet(torch.linalg.matrix_exp(matrix))[1]), abs_tol=1e-10)
    assert math.isclose(log_det, float(matrix.trace()), abs_tol=1e-12)


def test_circular_kernels_against_the_exponential_of_the_dense_matrix() -> None:
    """Taps that go whole times around count in the trace: at other sizes and dilations other ones."""
    for number, (image, dilation) in enumerate(
        [((3, 4), (1, 1)), ((2, 3), (2, 3)), ((1, 5), (3, 2)), ((1, 1), (1, 1))]
    ):
        torch.manual_seed(number)
        raw, anchor = torch.randn(2, 2, 3, 4, dtype=torch.float64), (1, 3)
        weight = spectral_conv(9 * raw, 2.0, image, dilation)
        around = {"dilation": dilation, "circular": True}
        unit = torch.eye(2 * math.prod(image), dtype=torch.float64).reshape(-1, 2, *image)
        matrix = family_conv(unit, weight, anchor, **around).flatten(1).T
        assert 1.9 <= float(torch.linalg.matrix_norm(matrix, 2)) <= 2.0
        x = torch.randn(5, 2, *image, dtype=torch.float64)
        wanted = (torch.linalg.matrix_exp(matrix) @ x.flatten(1).T).T.reshape(x.shape)
        found = apply_exponential(weight, x, 2.0, anchor, **around)
        assert float((found - wanted).abs().max()) <= 1e-12
        assert float((undo_exponential(weight, found, 2.0, anchor, **around) - x).abs().max()) <= 1e-12
        log_det = float(exponential_log_det(weight, x, anchor, **around))
        assert math.isclose(log_det, float(matrix.trace()), abs_tol=1e-12)


@pytest.mark.parametrize("limit", LIMITS)
def test_matrices(limit: float) -> None:
    made = torch.Generator().manual_seed(0)
    weight = spectral_matrix(9 * torch.randn(6, 6, generator=made, dtype=torch.float64), limit)
    x = torch.randn(3, 6, dtype=torch.float64)
    found = apply_exponential(weight, x, limit)
    assert float((found - x @ torch.linalg.matrix_exp(weight).T).abs().max()) <= 1e-12 * math.exp(limit)
    assert math.isclose(float(exponential_log_det(weight, x)), float(weight.trace()), abs_tol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precisions_come_back(dtype: torch.dtype) -> None:
    weight = kernel(3, (3, 3), 0.95, (4, 4), dtype)
    x = torch.randn(4, 3, 4, 4).to(dtype)
    z = apply_exponential(weight, x, 0.95, (1, 1))
    back = undo_exponential(weight, z, 0.95, (1, 1))
    assert z.dtype is dtype and back.dtype is dtype
    assert float((back - x).abs().max()) <= 64 * torch.finfo(dtype).eps


def test_minus_the_identity_is_no_trap() -> None:
    """Cut off after one term, exp(-I) would be 0."""
    weight = -torch.eye(4, dtype=torch.float64)
    x = torch.randn(2, 4, dtype=torch.float64)
    z = apply_exponential(weight, x, 1.0)
    assert torch.allclose(z, x / math.e, rtol=1e-14) and torch.allclose(undo_exponential(weight, z, 1.0), x, rtol=1e-13)
