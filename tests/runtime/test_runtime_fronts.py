"""Inverses of convolutions front by front, against dense solves in float64; steps are counted."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mintdsl.runtime.fronts import added_kernels, fitting_taps, sheared, solve_fronts, unit_kernel
from mintdsl.runtime.masks import kept_entries
from mintdsl.runtime.schedule import front_functional

torch.set_num_threads(1)

Pair = tuple[int, int]
FUNCTIONALS = ((1, 1), (1, -1), (-1, 1), (-1, -1), (2, 1), (-2, 1), (1, 2), (1, 0), (0, -1), (3, 2), (2, -3), (3, 1))
RASTER = ((0, 1, 0), (0, 0, 1), (1, 0, 0))
CINC = ((0, 1, 1), (-1, 0, 0))


def convolution(x: Tensor, kernel: Tensor, anchor: Pair, dilation: Pair = (1, 1)) -> Tensor:
    """The map of solve_fronts, tap by tap from its definition."""
    height, width = x.shape[2:]
    y = torch.zeros_like(x)
    for u in range(kernel.shape[2]):
        for v in range(kernel.shape[3]):
            h, w = (u - anchor[0]) * dilation[0], (v - anchor[1]) * dilation[1]
            if abs(h) >= height or abs(w) >= width:
                continue
            moved = torch.zeros_like(x)
            rows, columns = slice(max(0, -h), height - max(0, h)), slice(max(0, -w), width - max(0, w))
            moved[:, :, rows, columns] = x[:, :, max(0, h) : height + min(0, h), max(0, w) : width + min(0, w)]
            y = y + torch.einsum("oc,bchw->bohw", kernel[:, :, u, v], moved)
    return y


def dense_solve(z: Tensor, kernel: Tensor, anchor: Pair, dilation: Pair) -> Tensor:
    """x from the matrix of the convolution."""
    count = z[0].numel()
    unit = torch.eye(count, dtype=z.dtype).reshape(count, *z.shape[1:])
    matrix = convolution(unit, kernel, anchor, dilation).reshape(count, count).T
    return torch.linalg.solve(matrix, z.flatten(1).T).T.reshape(z.shape)


def drawn_kernel(
    channels: int, size: Pair, anchor: Pair, dilation: Pair, functional: Pair, some: random.Random
) -> Tensor:
    """Taps at which the functional is positive, most of them, and any invertible matrix at the anchor."""
    kernel = torch.zeros(channels, channels, *size, dtype=torch.float64)
    for u in range(size[0]):
        for v in range(size[1]):
            step = functional[0] * (anchor[0] - u) * dilation[0] + functional[1] * (anchor[1] - v) * dilation[1]
            if step > 0 and some.random() < 0.8:
                kernel[:, :, u, v] = 0.4 * torch.randn(channels, channels)
    orthogonal = torch.linalg.qr(torch.randn(channels, channels, dtype=torch.float64))[0]
    kernel[:, :, anchor[0], anchor[1]] = orthogonal + 0.1 * torch.randn(channels, channels)
    return kernel


@pytest.mark.parametrize("functional", FUNCTIONALS)
def test_random_supports_against_dense_solves(functional: Pair) -> None:
    some = random.Random(str(functional))
    torch.manual_seed(0)
    for _ in range(25):
        channels, batch = some.randint(1, 3), some.choice([1, 1, 2, 5])
        height, width = some.randint(1, 7), some.randint(1, 7)
        size, dilation = (some.randint(1, 4), some.randint(1, 5)), (some.randint(1, 2), some.randint(1, 3))
        anchor = some.randrange(size[0]), some.randrange(size[1])
        kernel = drawn_kernel(channels, size, anchor, dilation, functional, some)
        z = torch.randn(batch, channels, height, width, dtype=torch.float64)
        x, known = solve_fronts(z, kernel, anchor, dilation), dense_solve(z, kernel, anchor, dilation)
        assert float((x - known).abs().max()) <= 1e-10 * (1 + float(known.abs().max()))
        assert x.shape == z.shape and x.is_contiguous()


MASKS = {
    "corner": (CINC, "lower", (3, 3), (2, 2), lambda h, w: h + w - 1),
    "corner of the other side": (CINC, "upper", (3, 3), (0, 0), lambda h, w: h + w - 1),
    "raster": (RASTER, "lower", (3, 3), (1, 1), lambda h, w: 2 * (h - 1) + w),
    "raster, upwards": (RASTER, "upper", (3, 3), (1, 1), lambda h, w: 2 * (h - 1) + w),
    "raster, two columns to the right": (RASTER, "lower", (3, 5), (1, 2), lambda h, w: min(3, w) * (h - 1) + w),
    "rows before (MaCow)": (((0, 1, 0),), "lower", (3, 3), (2, 1), lambda h, w: h),
    "columns behind (MaCow)": (((0, 0, 1),), "upper", (3, 2), (1, 0), lambda h, w: w),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("size", [(6, 6), (3, 7), (8, 2)])
def test_masks_take_as_many_steps_as_there_are_fronts(name: str, size: Pair) -> None:
    """The products of a front read earlier fronts only; what is written in place is counted, front by front."""
    rows, direction, taps, anchor, fronts = MASKS[name]
    torch.manual_seed(1)
    mask = kept_entries(rows, direction, False, (3, 3), taps, anchor)
    kernel = torch.where(mask, 0.3 * torch.randn(3, 3, *taps, dtype=torch.float64), 0.0)
    kernel[range(3), range(3), anchor[0], anchor[1]] = torch.tensor([1.0, -0.7, 1.5], dtype=torch.float64)
    z = torch.randn(2, 3, *size, dtype=torch.float64)
    counter = Counter()
    with counter:
        x = solve_fronts(z, kernel, anchor)
    assert len(counter.written) == fronts(*size)
    assert float((x - dense_solve(z, kernel, anchor, (1, 1))).abs().max()) < 1e-10


class Counter(TorchDispatchMode):
    """The places in memory at which products are added in place, each once, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[tuple[int, tuple[int, ...]], None] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if func is torch.ops.aten.addmm_.default:
            here = args[0]
            assert isinstance(here, Tensor)
            key = (here.storage_offset(), tuple(here.shape))
            if key in self.written:
                assert key == next(reversed(self.written))  # a front is finished before the next one
            self.written[key] = None
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("along", [(1, 1), (2, 1), (1, 2), (1, 0), (0, 1), (3, 2), (5, 3)])
@pytest.mark.parametrize("size", [(4, 5), (1, 6), (6, 1), (7, 3)])
def test_every_pixel_has_a_place_of_its_own(along: Pair, size: Pair) -> None:
    layout = sheared(frozenset({(1, 0), (0, 1)}), along, size)
    (a, b), (c, d) = layout.along, layout.across
    assert abs(a * d - b * c) == 1 and min(c, d) >= 0
    places: dict[int, set[int]] = {}
    for i in range(size[0]):
        for j in range(size[1]):
            assert 0 <= c * i + d * j < layout.places
            places.setdefault(a * i + b * j, set()).add(c * i + d * j)
    assert [front for front, _, _ in layout.spans] == sorted(places)
    assert all(set(range(first, last + 1)) == places[front] for front, first, last in layout.spans)
    assert sum(last - first + 1 for _, first, last in layout.spans) == size[0] * size[1]


def test_gradients() -> None:
    some = random.Random(5)
    torch.manual_seed(5)
    for functional in ((1, 1), (-2, 1), (0, 1)):
        anchor, dilation = (1, 2), (1, 2)
        kernel = drawn_kernel(2, (3, 4), anchor, dilation, functional, some)
        kept = kernel != 0
        z = torch.randn(2, 2, 3, 6, dtype=torch.float64, requires_grad=True)

        def solved(z: Tensor, values: Tensor, kept: Tensor = kept) -> Tensor:
            return solve_fronts(z, torch.where(kept, values, 0.0), (1, 2), (1, 2))

        assert torch.autograd.gradcheck(solved, (z, kernel.requires_grad_()))


def test_second_derivatives() -> None:
    torch.manual_seed(6)
    kernel = 0.3 * torch.randn(2, 2, 2, 3, dtype=torch.float64)
    kernel[:, :, 1, 2] += torch.eye(2)
    z = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda z, k: solve_fronts(z, k, (1, 2)), (z, kernel.requires_grad_()))


def test_taps_all_around_are_refused() -> None:
    kernel = torch.ones(1, 1, 1, 3)
    with pytest.raises(ValueError, match="lead in a circle"):
        solve_fronts(torch.ones(1, 1, 4, 4), kernel, (0, 1))
    # they never meet a pixel of an image of one column
    assert solve_fronts(torch.full((1, 1, 4, 1), 3.0), kernel, (0, 1)).unique().tolist() == [3.0]


def test_dtypes_empty_batches_and_large_ones() -> None:
    some = random.Random(7)
    torch.manual_seed(7)
    kernel = drawn_kernel(3, (2, 3), (1, 1), (1, 1), (2, 1), some)
    x = torch.randn(70, 3, 5, 6, dtype=torch.float64)
    z = convolution(x, kernel, (1, 1))
    for dtype, tol in ((torch.float64, 1e-11), (torch.float32, 1e-3), (torch.bfloat16, 2e-2)):
        found = solve_fronts(z.to(dtype), kernel.to(dtype), (1, 1))
        exact = solve_fronts(z.to(dtype).double(), kernel.to(dtype).double(), (1, 1))  # of the numbers as rounded
        assert found.dtype == dtype and bool(torch.isclose(found.double(), exact, rtol=tol, atol=tol).all())
    assert solve_fronts(z[:0], kernel, (1, 1)).shape == (0, 3, 5, 6)
    empty = z[:0].clone().requires_grad_()
    weight = kernel.clone().requires_grad_()
    solve_fronts(empty, weight, (1, 1)).sum().backward()
    assert empty.grad is not None and weight.grad is not None and not bool(weight.grad.any())
    before = z.clone()
    solve_fronts(z[:1], kernel, (1, 1)).add_(1.0)
    assert torch.equal(before, z)


def test_a_singular_anchor_gives_nothing_finite() -> None:
    kernel = torch.zeros(2, 2, 2, 2)
    kernel[0, 0, 1, 1] = kernel[1, 0, 0, 0] = 1.0
    assert not bool(torch.isfinite(solve_fronts(torch.ones(1, 2, 2, 2), kernel, (1, 1))).all())


def test_taps_that_count() -> None:
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[..., 0, 0] = kernel[..., 2, 1] = kernel[..., 2, 2] = 1.0
    assert fitting_taps(kernel, (2, 2), (1, 1), (4, 4)) == {(2, 2): (0, 0), (0, 1): (2, 1)}
    assert fitting_taps(kernel, (2, 2), (1, 3), (4, 4)) == {(0, 3): (2, 1)}
    assert front_functional(frozenset({(2, 2), (0, 1)}), (4, 4)) == (0, 1)


def test_kernels_of_sums() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    parts = [
        (torch.randn(3, 3, 3, 2, dtype=torch.float64), (2, 1), (1, 1)),
        (torch.randn(3, 3, 1, 3, dtype=torch.float64), (0, 0), (1, 1)),
        (2 * unit_kernel(x), (0, 0), (1, 1)),
    ]
    kernel, anchor = added_kernels(*parts)
    assert kernel.shape == (3, 3, 3, 4) and anchor == (2, 1)
    known = convolution(x, *parts[0][:2]) + convolution(x, *parts[1][:2]) + 2 * x
    assert torch.allclose(convolution(x, kernel, anchor), known, atol=1e-12)
    padded = nn.functional.pad(x, (anchor[1], 3 - anchor[1], anchor[0], 2 - anchor[0]))
    assert torch.allclose(nn.functional.conv2d(padded, kernel), known, atol=1e-12)


def test_kernels_of_sums_with_dilations() -> None:
    """Each at its own distance between taps, as convolutions by PyTorch with that dilation."""
    torch.manual_seed(1)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    first, second = (torch.randn(3, 3, *size, dtype=torch.float64) for size in ((2, 3), (3, 2)))
    kernel, anchor = added_kernels((first, (1, 0), (2, 1)), (second, (0, 1), (1, 3)))
    assert kernel.shape == (3, 3, 5, 6) and anchor == (2, 3)
    known = nn.functional.conv2d(nn.functional.pad(x, (0, 2, 2, 0)), first, dilation=(2, 1))
    known = known + nn.functional.conv2d(nn.functional.pad(x, (3, 0, 0, 2)), second, dilation=(1, 3))
    padded = nn.functional.pad(x, (anchor[1], 5 - anchor[1], anchor[0], 4 - anchor[0]))
    assert torch.allclose(nn.functional.conv2d(padded, kernel), known, atol=1e-12)
