"""Steps that move entries, entry by entry, flat latents, and the permutations that programs are trained with."""

from __future__ import annotations

import copy
import pickle
from itertools import product

import pytest
import torch
from torch import Tensor

from mintdsl.runtime.steps import (
    Permutation,
    flat_latent,
    flat_shape,
    latent_parts,
    patches,
    permutation,
    squeeze,
    unpatch,
    unsqueeze,
)

CORNERS = {"colour_fast": (0, 1, 2, 3), "alternate": (0, 2, 3, 1)}
"""Which quarter of the channels the pixels (dy, dx) = (0, 0), (0, 1), (1, 0), (1, 1) of a tile become."""


def numbered(*shape: int) -> Tensor:
    return torch.arange(2 * torch.Size(shape).numel(), dtype=torch.float64).reshape(2, *shape)


@pytest.mark.parametrize("layout", ["colour_fast", "colour_slow", "alternate"])
def test_squeeze(layout: str) -> None:
    x = numbered(3, 4, 6)
    y = squeeze(x, 2, layout)
    assert y.shape == (2, 12, 2, 3)
    for c, dy, dx, i, j in product(range(3), range(2), range(2), range(2), range(3)):
        corner = 2 * dy + dx
        channel = 4 * c + corner if layout == "colour_slow" else CORNERS[layout][corner] * 3 + c
        assert torch.equal(y[:, channel, i, j], x[:, c, 2 * i + dy, 2 * j + dx])
    assert torch.equal(unsqueeze(y, 2, layout), x)
    assert unsqueeze(squeeze(x[:0], 2, layout), 2, layout).shape == (0, 3, 4, 6)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_patches(size: int) -> None:
    c, h, w = 2, 2 * size, 3 * size
    x = numbered(c, h, w)
    y = patches(x, size)
    assert y.shape == (2, 6, size * size * c)
    for k, i, j, dy, dx in product(range(c), range(2), range(3), range(size), range(size)):
        entry = (dy * size + dx) * c + k
        assert torch.equal(y[:, 3 * i + j, entry], x[:, k, size * i + dy, size * j + dx])
    assert torch.equal(unpatch(y, size, (2, 3)), x)
    assert unpatch(patches(x[:0], size), size, (2, 3)).shape == (0, c, h, w)


@pytest.mark.parametrize(
    ("size", "seed", "expected"), [(8, 0, [0, 3, 4, 7, 1, 2, 5, 6]), (8, 7, [5, 4, 6, 7, 0, 3, 1, 2]), (1, 3, [0])]
)
def test_permutations_are_the_same_everywhere(size: int, seed: int, expected: list[int]) -> None:
    """They stand in programs that are trained: these lists may not change."""
    assert permutation(size, seed) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 48, 1000])
def test_every_entry_goes_to_one_place(size: int) -> None:
    drawn = [tuple(permutation(size, seed)) for seed in range(20)]
    assert all(sorted(p) == list(range(size)) for p in drawn)
    assert len(set(drawn)) == (1 if size == 1 else 2 if size == 2 else 6 if size == 3 else 20)


@pytest.mark.parametrize(
    ("axis", "size", "shape"), [(1, 4, (4,)), (1, 4, (4, 2, 3)), (1, 3, (3, 4)), (2, 4, (3, 4)), (None, 24, (4, 2, 3))]
)
def test_permutation_of_an_axis(axis: int | None, size: int, shape: tuple[int, ...]) -> None:
    step, x = Permutation(size, 5, axis), numbered(*shape)
    y, order = step(x), permutation(size, 5)
    rows = (x.flatten(1), y.flatten(1)) if axis is None else (x.movedim(axis, 1), y.movedim(axis, 1))
    assert y.shape == x.shape
    assert all(torch.equal(rows[1][:, k], rows[0][:, order[k]]) for k in range(size))
    assert torch.equal(step.inverse(y), x)
    assert step.inverse(step(x[:0])).shape == x[:0].shape


def test_a_permutation_is_no_number_of_the_model() -> None:
    step, x = Permutation(6, 1, 1), numbered(6)
    assert not step.state_dict() and not list(step.parameters())
    for other in (copy.deepcopy(step), pickle.loads(pickle.dumps(step)), copy.deepcopy(step).half().double()):
        assert torch.equal(other(x), step(x))
    other = Permutation(6, 1, 1, device="meta")
    assert other(x.to("meta")).is_meta
    other.to_empty(device="cpu")
    assert torch.equal(other(x), step(x))
    loaded = Permutation(6, 1, 1, device="meta")
    loaded.load_state_dict({}, strict=True, assign=True)
    assert torch.equal(loaded(x), step(x)) and torch.equal(loaded.inverse(step(x)), x)


SHAPES = ((2, 4, 3), (5,), (2, 3))


@pytest.mark.parametrize("batch", [0, 1, 4])
def test_parts_stand_one_after_the_other(batch: int) -> None:
    parts = [torch.randn(batch, *shape) for shape in SHAPES]
    z = flat_latent(parts)
    assert z.shape == (batch, *flat_shape(SHAPES)) == (batch, 24 + 5 + 6)
    assert torch.equal(z[:, :24], parts[0].reshape(batch, 24)) and torch.equal(z[:, 24:29], parts[1])
    found = latent_parts(z, SHAPES)
    assert all(torch.equal(a, b) for a, b in zip(found, parts, strict=True))


def test_a_latent_of_another_size_is_refused() -> None:
    with pytest.raises(RuntimeError, match="split"):
        latent_parts(torch.zeros(2, 34), SHAPES)
