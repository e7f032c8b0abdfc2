from __future__ import annotations

import itertools

import pytest
import torch
from runtime_layers import loop_mask

from mintdsl.runtime.masks import diagonal_entries, kept_entries, kernel_box

RASTER = ((0, 1, 0), (0, 0, 1), (1, 0, 0))
CHANNEL_MAJOR = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
CINC = ((0, 1, 1), (-1, 0, 0))


@pytest.mark.parametrize("upper", [False, True])
def test_channel_major_is_mintnets_mask(upper: bool) -> None:
    mask = kept_entries(CHANNEL_MAJOR, "upper" if upper else "lower", False, (3, 3), (3, 3), (1, 1))
    assert torch.equal(mask, loop_mask(3, upper))
    assert mask.float().mean().item() == pytest.approx(0.52, abs=0.005)  # live fraction at C = 3, mintnet.md 1


@pytest.mark.parametrize("order", [RASTER, CHANNEL_MAJOR, CINC, ((0, 1, 1),)])
@pytest.mark.parametrize("direction", ["lower", "upper"])
@pytest.mark.parametrize("anchor", [(1, 1), (2, 2), (0, 1)])
def test_against_keys_of_real_indices(
    order: tuple[tuple[int, ...], ...], direction: str, anchor: tuple[int, int]
) -> None:
    """Oracle: compare the keys of two actual places of an image, entry by entry."""
    for strict in (False, True):
        mask = kept_entries(order, direction, strict, (2, 3), (3, 2), anchor)
        assert mask.shape == (2, 3, 3, 2)
        for o, i, u, v in itertools.product(range(2), range(3), range(3), range(2)):
            output, read = (o, 5, 5), (i, 5 + u - anchor[0], 5 + v - anchor[1])
            keys = [
                tuple(sum(a * b for a, b in zip(row, place, strict=True)) for row in order) for place in (output, read)
            ]
            after = keys[0] > keys[1] if direction == "lower" else keys[0] < keys[1]
            assert mask[o, i, u, v].item() == (after or (output == read and not strict))


def test_ties_are_not_kept() -> None:
    mask = kept_entries(((0, 1, 1),), "lower", False, (2, 2), (3, 3), (1, 1))
    assert not mask[0, 0, 0, 2] and not mask[0, 0, 2, 0] and not mask[0, 1, 1, 1] and mask[0, 0, 1, 1]


def test_matrix_and_no_direction_and_wrong_direction() -> None:
    assert torch.equal(kept_entries(((1,),), "lower", False, (4, 4)), torch.ones(4, 4).tril().bool())
    assert torch.equal(kept_entries(((1,),), "upper", True, (4, 4)), torch.ones(4, 4).triu(1).bool())
    assert torch.equal(kept_entries(((-1,),), "lower", False, (4, 4)), torch.ones(4, 4).triu().bool())
    assert kept_entries((), None, False, (2, 3), (1, 1), (0, 0)).all()
    assert torch.equal(diagonal_entries((3, 3)), torch.eye(3).bool())
    with pytest.raises(ValueError, match="direction must be"):
        kept_entries(((1,),), "left", False, (1, 1))


def test_positions_make_a_made() -> None:
    """MADE: hidden degrees 1 + k mod (D - 1); its composition reads strictly earlier inputs."""
    D, n = 4, 7
    inputs, hidden = list(range(1, D + 1)), [1 + k % (D - 1) for k in range(n)]
    first = kept_entries(((1,),), "lower", False, (n, D), positions=(hidden, inputs))
    last = kept_entries(((1,),), "lower", True, (D, n), positions=(inputs, hidden))
    reach = (last.int() @ first.int()) > 0
    assert torch.equal(reach, torch.ones(D, D).tril(-1).bool())


def test_diagonal_and_box() -> None:
    centre = diagonal_entries((2, 2), (3, 3), (1, 1))
    assert centre.sum() == 2 and centre[0, 0, 1, 1] and centre[1, 1, 1, 1]
    assert kernel_box(kept_entries(RASTER, "lower", False, (1, 1), (3, 3), (1, 1))) == (0, 2, 0, 3)
    assert kernel_box(centre) == (1, 2, 1, 2)
    assert kernel_box(torch.zeros(1, 1, 3, 3, dtype=torch.bool)) == (0, 1, 0, 1)
