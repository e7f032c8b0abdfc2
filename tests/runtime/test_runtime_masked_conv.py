"""Inverses of masked convolutions against dense solves in float64, with fronts of pixels and of elements."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch import Tensor, nn

from mintdsl.runtime.families import family_conv, with_diagonal
from mintdsl.runtime.masked_conv import solve_masked, taps_on_one_side
from mintdsl.runtime.masks import kept_entries
from mintdsl.runtime.schedule import kept_differences

Pair = tuple[int, int]
ORDERS = {
    "raster": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "channel_major": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "channels_reversed": ((-1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "cinc": ((0, 1, 1), (-1, 0, 0)),
    "odd": ((0, 1, -2), (1, 0, 0)),
    "no_channels": ((0, 1, 2),),
    "mixed": ((1, 1, 0), (0, 0, 1)),
}
BY_PIXELS = {"raster", "cinc", "odd", "no_channels"}


def masked(
    channels: int, size: Pair, order: str, direction: str, anchor: Pair, dilation: Pair, dtype: torch.dtype
) -> Tensor:
    """A kernel of this mask, its diagonal of both signs and away from 0."""
    kept = kept_entries(ORDERS[order], direction, True, (channels, channels), size, anchor, dilation=dilation)
    own = torch.tensor([0.7, -1.3, 2.0, -0.6], dtype=dtype)[:channels]
    return with_diagonal(0.6 * torch.randn(channels, channels, *size, dtype=dtype) * kept, own, anchor)


def dense(kernel: Tensor, anchor: Pair, dilation: Pair, event: tuple[int, ...]) -> Tensor:
    """The matrix of the convolution, entry by entry from its definition."""
    found = torch.zeros(*event, *event, dtype=kernel.dtype)
    _, height, width = event
    rows, columns = kernel.shape[2:]
    for h, w, u, v in itertools.product(range(height), range(width), range(rows), range(columns)):
        down, right = h + (u - anchor[0]) * dilation[0], w + (v - anchor[1]) * dilation[1]
        if 0 <= down < height and 0 <= right < width:
            found[:, h, w, :, down, right] += kernel[:, :, u, v]
    count = found[..., 0, 0, 0].numel()
    return found.reshape(count, count)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("direction", ["lower", "upper"])
def test_random_masks_against_dense_solves(order: str, direction: str) -> None:
    made, by_pixels = random.Random(f"{order} {direction}"), set()
    for number in range(16):
        torch.manual_seed(number)
        size, dilation = (made.randint(1, 4), made.randint(2, 4)), (made.choice((1, 1, 2)), made.choice((1, 1, 3)))
        anchor = (made.randrange(size[0]), made.randrange(size[1]))
        event = (made.randint(1, 4), made.randint(1, 5), made.randint(1, 5))
        kernel = masked(event[0], size, order, direction, anchor, dilation, torch.float64)
        matrix = dense(kernel, anchor, dilation, event)
        z = torch.randn(2, *event, dtype=torch.float64)
        x = solve_masked(kernel, z, ORDERS[order], direction, anchor, dilation)
        expected = torch.linalg.solve(matrix, z.flatten(1).T).T.reshape(z.shape)
        error = (x - expected).abs().max()
        assert error <= 1e-13 * float(torch.linalg.cond(matrix)) * (1 + float(expected.abs().max()))
        reads = kept_differences(ORDERS[order], direction, size, anchor, event, dilation)
        by_pixels.add(taps_on_one_side(reads, anchor, dilation, event[1:]) is not None)
    assert by_pixels == {True} if order in BY_PIXELS else by_pixels == {True, False}


@pytest.mark.parametrize("order", ["cinc", "channel_major"])
def test_gradients_of_any_order(order: str) -> None:
    torch.manual_seed(4)
    kernel = masked(2, (2, 3), order, "lower", (1, 1), (1, 1), torch.float64).requires_grad_()
    z = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    mask = kernel.detach() != 0

    def solved(z: Tensor, kernel: Tensor) -> Tensor:
        return solve_masked(kernel * mask, z, ORDERS[order], "lower", (1, 1))

    assert torch.autograd.gradcheck(solved, (z, kernel))
    assert torch.autograd.gradgradcheck(solved, (z, kernel))


@pytest.mark.parametrize("order", ["raster", "channel_major"])
def test_dtypes_empty_batches_and_meta(order: str) -> None:
    kernel = masked(3, (3, 3), order, "upper", (1, 1), (1, 1), torch.float32)
    x = torch.randn(4, 3, 4, 3)
    z = family_conv(x, kernel, (1, 1))
    rows = ORDERS[order]
    condition = float(torch.linalg.cond(dense(kernel.double(), (1, 1), (1, 1), (3, 4, 3))))
    assert (solve_masked(kernel, z, rows, "upper", (1, 1)) - x).abs().max() <= 1e-6 * condition
    assert solve_masked(kernel, z[:0], rows, "upper", (1, 1)).shape == (0, 3, 4, 3)
    assert solve_masked(kernel.bfloat16(), z.bfloat16(), rows, "upper", (1, 1)).dtype == torch.bfloat16
    assert solve_masked(kernel, z.double(), rows, "upper", (1, 1)).dtype == torch.float64
    assert solve_masked(kernel.to("meta"), z.to("meta"), rows, "upper", (1, 1)).shape == z.shape


def test_numbers_decide_nothing() -> None:
    """Taps that are 0 by chance are taken as they are; where a front overflows, nothing that reads it is finite."""
    rows = ORDERS["channel_major"]
    kernel = nn.functional.pad(torch.eye(2, dtype=torch.float64)[..., None, None], (1, 1, 1, 1))
    z = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    assert torch.equal(solve_masked(kernel, z, rows, "lower", (1, 1)), z)
    kernel[0, 0, 1, 1] = 1e-320
    assert not torch.isfinite(solve_masked(kernel, z, rows, "lower", (1, 1))).any()
