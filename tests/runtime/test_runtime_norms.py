"""Bounds of norms against the singular values of the whole map, and weights that are scaled below a bound."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest
import torch
from torch import Tensor, nn

from mintdsl.core import interpret_norms
from mintdsl.runtime.certify import NormLimit, norm_below
from mintdsl.runtime.families import family_conv
from mintdsl.runtime.norms import (
    Phases,
    columns_below,
    conv_norm_above,
    matrix_norm_above,
    rows_below,
    spectral_conv,
    spectral_matrix,
    spectral_scale,
    spectral_strided,
    squeezed_kernel,
    strided_norm_above,
    torus_norm_above,
)

torch.set_num_threads(1)


def whole(kernel: Tensor, size: tuple[int, int], anchor: tuple[int, int], mode: str = "constant") -> Tensor:
    """The matrix of a convolution, from what it does to each unit vector."""
    inputs, (rows, columns) = kernel.shape[1], kernel.shape[2:]
    x = torch.eye(inputs * size[0] * size[1], dtype=torch.float64).reshape(-1, inputs, *size)
    x = nn.functional.pad(x, (anchor[1], columns - 1 - anchor[1], anchor[0], rows - 1 - anchor[0]), mode=mode)
    return nn.functional.conv2d(x, kernel.double()).flatten(1).T


def norm(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix, 2))


def ratios(count: int, seed: int) -> list[float]:
    """Bound over norm of random convolutions: any anchor, even kernels, kernels larger than the image among them."""
    made, found = torch.Generator().manual_seed(seed), []

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=made))

    for case in range(count):
        outputs, inputs, rows, columns = number(1, 4), number(1, 4), number(1, 3), number(1, 3)
        size = (number(4, 12), number(4, 12)) if case % 5 else (number(1, 4), number(1, 4))
        kernel = torch.randn(outputs, inputs, rows, columns, generator=made, dtype=torch.float64)
        if case % 3 == 0:  # far from random: one sign, or of rank 1
            kernel = kernel.abs()
        anchor = (number(0, rows - 1), number(0, columns - 1))
        found.append(float(conv_norm_above(kernel, size)) / norm(whole(kernel, size, anchor)))
    return found


def within(found: list[float]) -> None:
    assert not any(math.isnan(ratio) for ratio in found)
    assert min(found) >= 1.0
    assert statistics.median(found) <= 1.05


def test_the_bound_of_a_convolution_is_never_below_its_norm() -> None:
    within(ratios(60, 0))


@pytest.mark.slow
def test_the_bound_of_a_convolution_is_never_below_its_norm_500_times() -> None:
    within(ratios(500, 1))


def test_the_norm_of_a_circular_convolution() -> None:
    for seed, (size, taps) in enumerate([((3, 4), (3, 3)), ((5, 2), (1, 2)), ((4, 4), (2, 3))]):
        kernel = torch.randn(3, 2, *taps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        exact = norm(whole(kernel, size, (taps[0] - 1, taps[1] - 1), "circular"))
        assert exact <= float(torus_norm_above(kernel, size)) <= exact * 6 ** (1 / 256) * (1 + 1e-8)


def test_circular_bounds_are_norms_at_every_size_and_dilation() -> None:
    """Never below the singular values of the dense matrix, and above them by what the Schatten norm adds only."""
    made, found = random.Random(3), []
    for case in range(80):
        torch.manual_seed(case)
        taps, size = (made.randint(1, 4), made.randint(1, 4)), (made.randint(1, 9), made.randint(1, 9))
        dilation, anchor = (made.randint(1, 4), made.randint(1, 4)), (made.randrange(taps[0]), made.randrange(taps[1]))
        kernel = torch.randn(made.randint(1, 4), made.randint(1, 4), *taps, dtype=torch.float64)
        kernel = kernel.abs() if case % 3 == 0 else kernel
        x = torch.eye(kernel.shape[1] * math.prod(size), dtype=torch.float64).reshape(-1, kernel.shape[1], *size)
        exact = norm(family_conv(x, kernel, anchor, dilation=dilation, circular=True).flatten(1).T)
        bound = float(conv_norm_above(kernel, size, dilation))
        assert exact <= bound <= exact * min(kernel.shape[:2]) ** (1 / 256) * (1 + 1e-8)
        found.append(bound / exact)
        for dtype in (torch.float64, torch.float32, torch.bfloat16):
            scaled = spectral_conv((5 * kernel).to(dtype), 0.9, size, dilation)
            image = family_conv(x, scaled.double(), anchor, dilation=dilation, circular=True)
            reached = norm(image.flatten(1).T)
            assert reached <= 0.9 and (dtype != torch.float64 or reached >= min(0.89, 4.99 * exact))
    within(found)


def test_taps_that_cancel_on_a_small_image_stay_as_they_are() -> None:
    """[1, -1] is 0 on images of width 1: any multiple of it is within a limit."""
    raw = torch.tensor([5.0, -5.0], dtype=torch.float64).reshape(1, 1, 1, 2).requires_grad_()
    value = spectral_conv(raw, 0.5, (3, 1), (1, 1))
    assert torch.equal(value, raw)
    value.sum().backward()
    assert torch.equal(raw.grad, torch.ones_like(raw))
    assert interpret_norms.limited([5.0, -5.0], (1, 1, 1, 2), (3, 1), 0.5, (1, 1)) == [5.0, -5.0]
    zero = torch.zeros(1, 1, 1, 2, requires_grad=True)
    spectral_conv(zero, 0.5, (3, 4), (1, 1)).sum().backward()
    assert torch.equal(zero.grad, torch.ones_like(zero))


def test_certified_circular_norms_lie_between_both_bounds() -> None:
    kernel = torch.randn(2, 3, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for circular, dilation in ((True, (2, 1)), (True, (1, 1)), (False, (2, 2))):
        of = NormLimit(1.0, (4, 3), (1, 0), dilation, circular)
        x = torch.eye(36, dtype=torch.float64).reshape(-1, 3, 4, 3)
        exact = norm(family_conv(x, kernel, (1, 0), dilation=dilation, circular=circular).flatten(1).T)
        assert exact * 0.99 <= norm_below(kernel, of, 200) <= exact * (1 + 1e-12)


def test_norms_of_matrices() -> None:
    made = torch.Generator().manual_seed(0)
    matrix = torch.randn(20, 5, 7, generator=made, dtype=torch.float64)
    exact = torch.linalg.matrix_norm(matrix, 2)
    found = matrix_norm_above(matrix)
    assert (found >= exact).all() and (found <= exact * 5 ** (1 / 256) * (1 + 1e-8)).all()
    for special in (
        torch.zeros(3, 4),
        torch.eye(4),
        torch.full((2, 2), 1e-200, dtype=torch.float64),
        -torch.ones(1, 1),
    ):
        bound, exactly = float(matrix_norm_above(special.double())), norm(special.double())
        assert exactly * (1 - 1e-15) <= bound <= exactly * 1.006


def test_a_wider_image_has_a_larger_norm_and_the_bound_follows() -> None:
    kernel = torch.ones(1, 1, 3, 3, dtype=torch.float64)  # 9 on an image without a border
    bounds = [float(conv_norm_above(kernel, (n, n))) for n in (2, 4, 16, 64)]
    assert all(norm(whole(kernel, (n, n), (1, 1))) <= b for n, b in zip((2, 4, 16), bounds[:3], strict=True))
    assert bounds[-1] == pytest.approx(9.0, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("std", [0.01, 1.0, 100.0])
def test_scaled_weights_are_within_the_limit_in_their_dtype(dtype: torch.dtype, std: float) -> None:
    made = torch.Generator().manual_seed(3)
    for limit in (0.5, 0.9, 2.0):
        raw = (std * torch.randn(3, 4, 2, 3, 3, generator=made, dtype=torch.float64)).to(dtype)
        value = spectral_conv(raw, limit, (5, 4))
        matrix = spectral_matrix(raw[..., 0], limit)
        assert value.dtype == matrix.dtype == dtype and torch.isfinite(value).all()
        norms = [norm(whole(kernel, (5, 4), (1, 1))) for kernel in value]
        assert max(norms) <= limit and float(torch.linalg.matrix_norm(matrix.double(), 2).max()) <= limit
        if std >= 1.0:
            assert min(norms) >= 0.75 * limit
        scale = spectral_scale(raw, limit)
        assert float(scale.double().abs().max()) <= limit and scale.dtype == dtype


def test_what_is_within_the_limit_stays_exactly() -> None:
    raw = 0.02 * torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(spectral_conv(raw, 0.9, (6, 6)), raw)
    value = spectral_conv(100.0 * raw, 0.9, (6, 6))
    assert torch.allclose(spectral_conv(value, 0.9, (6, 6)), value, rtol=1e-6, atol=0.0)
    assert torch.equal(spectral_scale(raw, 0.9), raw)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_numbers_give_numbers_and_gradients(dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    drawn = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    for size in (0.0, info.smallest_normal * info.eps, info.smallest_normal, 1.0, info.max):
        raw = (drawn.double() * size).to(dtype).requires_grad_()
        for value in (spectral_conv(raw, 0.9, (4, 4)), spectral_matrix(raw[..., 0], 0.9)):
            (gradient,) = torch.autograd.grad(value.sum(), raw)
            assert torch.isfinite(value).all() and torch.isfinite(gradient).all()


def test_gradients_are_those_of_the_scaled_weight() -> None:
    raw = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: spectral_conv(w, 0.5, (3, 4)), raw)
    assert torch.autograd.gradcheck(lambda w: spectral_matrix(w[..., 0], 0.5), raw)


# ---------------------------------------------------------------- strides


def strided_case(made: random.Random) -> tuple[Tensor, tuple[int, int], dict[str, tuple[int, int]]]:
    """A kernel, the size of its images, and anchor, dilation and stride."""
    stride = (made.choice((1, 2, 2, 3)), made.choice((1, 2, 2, 3)))
    low, high = (1, 3) if made.random() < 0.15 else (5, 8)
    size = (stride[0] * made.randint(low, high), stride[1] * made.randint(low, high))
    taps = (made.randint(1, 5), made.randint(1, 5))
    kernel = torch.randn(made.randint(1, 3), made.randint(1, 3), *taps, dtype=torch.float64)
    kernel = kernel.abs() if made.random() < 0.3 else kernel
    anchor = (made.randrange(taps[0]), made.randrange(taps[1]))
    dilation = (made.choice((1, 1, 1, 2)), made.choice((1, 1, 1, 3)))
    return kernel, size, {"anchor": anchor, "dilation": dilation, "stride": stride}


def every_pixel(kernel: Tensor, size: tuple[int, int], how: dict[str, tuple[int, int]]) -> Tensor:
    """The matrix of a strided convolution, entry by entry from its definition."""
    (outputs, inputs, rows, columns), (height, width) = kernel.shape, size
    (top, left), (down, right), (s, t) = how["anchor"], how["dilation"], how["stride"]
    found = torch.zeros(outputs, height // s, width // t, inputs, height, width, dtype=torch.float64)
    for h, w, u, v in itertools.product(range(height // s), range(width // t), range(rows), range(columns)):
        hh, ww = s * h + (u - top) * down, t * w + (v - left) * right
        if 0 <= hh < height and 0 <= ww < width:
            found[:, h, w, :, hh, ww] = kernel[:, :, u, v].double()
    return found.flatten(3).flatten(0, 2)


def largest(matrix: Tensor) -> float:
    """The largest singular value of a matrix of more columns than rows, to rounding."""
    return float(torch.linalg.eigvalsh(matrix @ matrix.T)[-1].clamp(min=0.0).sqrt())


def test_the_bound_of_a_strided_convolution_is_never_below_its_norm() -> None:
    made, found, looser = random.Random(11), [], []
    torch.manual_seed(11)
    for case in range(150):
        kernel, size, how = strided_case(made)
        matrix = every_pixel(kernel, size, how)
        x = torch.eye(matrix.shape[1], dtype=torch.float64).reshape(-1, kernel.shape[1], *size)
        assert torch.equal(family_conv(x, kernel, **how).flatten(1).T, matrix)
        exact = largest(matrix)
        bound = float(strided_norm_above(kernel, size, **how))
        if case % 10 == 0:
            of = NormLimit(1.0, size, how["anchor"], how["dilation"], stride=how["stride"])
            assert 0.9 * exact <= norm_below(kernel, of) <= bound
        if exact == 0.0:  # every tap lies outside
            assert bound >= 0.0
            continue
        assert bound >= exact
        near = how["dilation"] == (1, 1) and min(a // b for a, b in zip(size, how["stride"], strict=True)) >= 5
        (found if near else looser).append(bound / exact)  # on small images most taps lie outside somewhere
        limit = 0.7 * exact
        for dtype in (torch.float64, torch.float32, torch.bfloat16)[case % 3 :: 3]:
            scaled = spectral_strided(kernel.to(dtype), limit, size, **how)
            assert largest(every_pixel(scaled, size, how)) <= limit
        if case % 10 == 0:
            strided = interpret_norms.Strided(**how)
            mine = interpret_norms.limited(kernel.flatten().tolist(), kernel.shape, size, limit, None, strided)
            theirs = spectral_strided(kernel, limit, size, **how).flatten().tolist()
            assert mine == pytest.approx(theirs, rel=1e-11)
    assert len(found) >= 60 and statistics.median(found) <= 1.05
    assert len(looser) >= 60 and statistics.median(looser) <= 1.2


def test_gradients_of_strided_weights_are_those_of_the_scaled_weight() -> None:
    raw = torch.randn(2, 2, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    how = {"anchor": (1, 1), "dilation": (1, 1), "stride": (2, 1)}
    assert torch.autograd.gradcheck(lambda w: spectral_strided(w, 0.5, (4, 3), **how), raw)
    squeezed = squeezed_kernel(raw, **how)
    assert squeezed.shape == (2, 4, 3, 3) and torch.allclose(squeezed.sum(), raw.sum())


# ---------------------------------------------------------------- the largest sum of a row, and of a column


def summed_case(case: int, made: random.Random) -> tuple[Tensor, NormLimit, Tensor]:
    """A map, what is said of it, and its matrix: a matrix, convolutions with zeros around, circular, or with a stride.

    In turn for the maximum norm and for the 1-norm.
    """
    order = math.inf if case % 2 else 1.0
    if case % 4 < 2:
        kernel, size, how = strided_case(made)
        of = NormLimit(1.0, size, how["anchor"], how["dilation"], stride=how["stride"], norm=order)
        return kernel, of, every_pixel(kernel, size, how)
    if case % 12 > 8:
        weight = torch.randn(made.randint(1, 6), made.randint(1, 6), dtype=torch.float64)
        return weight, NormLimit(1.0, norm=order), weight
    size, taps = (made.randint(1, 9), made.randint(1, 9)), (made.randint(1, 3), made.randint(1, 3))
    kernel = torch.randn(made.randint(1, 3), made.randint(1, 3), *taps, dtype=torch.float64)
    anchor, circular = (made.randrange(taps[0]), made.randrange(taps[1])), case % 8 > 3
    of = NormLimit(1.0, size, anchor, (made.choice((1, 2)), 1), circular, norm=order)
    units = torch.eye(kernel.shape[1] * size[0] * size[1], dtype=torch.float64).reshape(-1, kernel.shape[1], *size)
    found = family_conv(units, kernel, anchor, dilation=of.dilation, circular=circular)
    return kernel, of, found.flatten(1).T


def test_sums_of_rows_and_columns_are_never_below_the_norm_and_it_on_large_images() -> None:
    made, met = random.Random(5), 0
    torch.manual_seed(5)
    for case in range(500):
        weight, of, matrix = summed_case(case, made)
        exact = float(torch.linalg.matrix_norm(matrix, of.norm))
        bound = float(of.sums(weight).amax(-1))
        assert exact * (1 - 1e-12) <= bound
        assert norm_below(weight, of) <= exact * (1 + 1e-12) + 1e-300
        reach = [(n - 1) * d for n, d in zip(weight.shape[2:], of.dilation, strict=False)]
        if all(size >= 2 * far + 2 * step for size, far, step in zip(of.size, reach, of.stride, strict=False)):
            met += 1  # some pixel has all taps inside
            assert bound <= exact * (1 + 1e-8)
            assert norm_below(weight, of) >= exact * (1 - 1e-8)
        limit, axes = 0.7 * max(exact, 1e-3), weight.dim()
        strided = of.stride != (1, 1)
        phases = Phases((of.tap[0], of.tap[1]), of.dilation, of.stride) if strided else None
        for dtype in (torch.float64, torch.float32, torch.bfloat16)[case % 3 :: 3]:
            raw = weight.to(dtype)
            scaled = rows_below(raw, limit, axes) if of.norm == math.inf else columns_below(raw, limit, axes, phases)
            assert float(of.sums(scaled.double()).amax(-1)) <= limit * (1 + 2.0**-29) and scaled.dtype == dtype
        if case % 10 < 2:
            theirs = (
                rows_below(weight, limit, axes) if of.norm == math.inf else columns_below(weight, limit, axes, phases)
            )
            values, place = weight.flatten().tolist(), None
            if phases is not None:
                place = interpret_norms.Strided(*phases)
            mine = interpret_norms.rows_limited(values, weight.shape, limit)
            if of.norm == 1.0:
                mine = interpret_norms.columns_limited(values, weight.shape, limit, place)
            assert mine == pytest.approx(theirs.flatten().tolist(), rel=1e-12)
    assert met >= 100


def test_rows_within_their_limit_stay_and_the_others_come_to_it() -> None:
    raw = torch.tensor([[[0.3, -0.4], [3.0, 1.0]]])  # a family of one
    assert torch.allclose(rows_below(raw, 0.8, 2), torch.tensor([[[0.3, -0.4], [0.6, 0.2]]]), rtol=1e-6)
    assert torch.equal(rows_below(raw, 0.8, 2)[0, 0], raw[0, 0])
    assert torch.allclose(columns_below(raw, 1.4, 2), torch.tensor([[[0.3 / 3.3 * 1.4, -0.4], [3 / 3.3 * 1.4, 1.0]]]))
    for scale in (1e-45, 1e-40, 1e-30, 1e30, 5e37):
        wide = scale * torch.randn(64, 64, generator=torch.Generator().manual_seed(1))
        for limit in (1e-40, 0.9):
            sums = rows_below(wide, limit, 2).double().abs().sum(1)
            assert float(sums.max()) <= limit and bool(torch.isfinite(sums).all())
    assert torch.equal(rows_below(torch.zeros(3, 3), 0.5, 2), torch.zeros(3, 3))


def test_gradients_of_summed_weights_are_those_of_the_scaled_weight() -> None:
    raw = torch.randn(2, 3, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    phases = Phases((0, 1), (1, 1), (2, 1))
    for scaled in (
        lambda w: rows_below(w, 0.5, 4), lambda w: columns_below(w, 0.5, 4), lambda w: columns_below(w, 0.5, 4, phases),
        lambda w: rows_below(w[..., 0, 0], 0.5, 2), lambda w: columns_below(w[..., 0, 0], 100.0, 2),
    ):  # fmt: skip
        assert torch.autograd.gradcheck(scaled, raw)
