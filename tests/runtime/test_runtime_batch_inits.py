from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from mintdsl.runtime.batch import flatten_batch, unflatten_batch
from mintdsl.runtime.inits import (
    Place,
    fan_in_uniform,
    fill_identity,
    fill_normal,
    fill_ones,
    fill_zeros,
    near_identity,
    xavier_normal,
)


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,), (2, 0)])
def test_round_trip(lead: tuple[int, ...]) -> None:
    x = torch.randn(*lead, 3, 4, 4)
    flat, kept = flatten_batch(x, (3, 4, 4), "x", "a.mint:1")
    assert flat.shape == (math.prod(lead), 3, 4, 4)
    assert torch.equal(unflatten_batch(flat, kept), x)
    assert unflatten_batch(flat.sum((1, 2, 3)), kept).shape == lead


def test_errors_are_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^x has shape \[2, 3, 4, 5\], but must end in \[3, 4, 4\] \(a\.mint:1\)$"):
        flatten_batch(torch.zeros(2, 3, 4, 5), (3, 4, 4), "x", "a.mint:1")
    with pytest.raises(ValueError, match=r"^z has shape \[4\], but"):
        flatten_batch(torch.zeros(4), (3, 4, 4), "z", "a.mint:1")
    with pytest.raises(ValueError, match=r"^x has dtype torch.int64, but must be floating \(a\.mint:1\)$"):
        flatten_batch(torch.zeros(3, dtype=torch.int64), (3,), "x", "a.mint:1")


class Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        flat, lead = flatten_batch(x, (3, 4), "x", "a.mint:1")
        return unflatten_batch(2.0 * flat, lead)


def test_compile_and_export_with_any_batch() -> None:
    x = torch.randn(5, 2, 3, 4)
    compiled = torch.compile(Doubling(), backend="eager", fullgraph=True, dynamic=True)
    assert torch.equal(compiled(x), 2.0 * x)
    batch = torch.export.Dim("batch")
    exported = torch.export.export(Doubling(), (torch.randn(5, 3, 4),), dynamic_shapes={"x": {0: batch}}).module()
    assert torch.equal(exported(x[:2, 0]), 2.0 * x[:2, 0])


def test_inits() -> None:
    torch.manual_seed(0)
    value = nn.Parameter(torch.empty(200, 300))
    xavier_normal(value, Place(300, 200), 0.005)
    assert value.std().item() == pytest.approx(0.005 * math.sqrt(2 / 500), rel=0.02)
    fan_in_uniform(value, Place(300, 1))
    assert value.abs().max().item() <= 1 / math.sqrt(300) < 1.01 * value.abs().max().item()
    fill_normal(value, Place(1, 1), 2.0)
    assert value.std().item() == pytest.approx(2.0, rel=0.02)
    fill_zeros(value, Place(1, 1))
    assert not value.any()
    fill_ones(value, Place(1, 1))
    assert (value == 1).all()
    kernel = torch.empty(2, 3, 3, 3, 3)  # a family of two convolutions
    fill_identity(kernel, Place(1, 1, (2, 1)))
    x = torch.randn(1, 3, 6, 6)
    shifted = nn.functional.conv2d(nn.functional.pad(x, (1, 1, 2, 0)), kernel[1])
    assert torch.equal(shifted, x)
    matrix = torch.empty(4, 4)
    fill_identity(matrix, Place(1, 1))
    assert torch.equal(matrix, torch.eye(4))
    near_identity(matrix, Place(1, 1), 0.01)
    assert 0 < (matrix - torch.eye(4)).abs().max() < 0.1
