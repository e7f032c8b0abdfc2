"""Which entries of a kernel or matrix an order lets through."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mintdsl.runtime.protocols import MaskedLike


def index_differences(
    channels: tuple[int, int],
    size: tuple[int, ...],
    anchor: tuple[int, ...],
    positions: tuple[Sequence[int], Sequence[int]] | None = None,
    dilation: tuple[int, ...] | None = None,
) -> Tensor:
    """Index of the output minus index of the input it reads, for each entry: int64 [O, I, *size, 1 + len(size)].

    Entry (o, i, u, v) of a cross-correlation reads channel i at offset (u, v) - anchor from the output pixel, times the
    dilation (default 1).
    `positions` gives each output and each input channel its coordinate (default: its number); hidden channels
    share the coordinates of the channels they stand for. With `size` and `anchor` empty this is a matrix [O, I].
    """
    outputs, inputs = positions if positions is not None else (range(channels[0]), range(channels[1]))
    rank = len(size)
    # on the CPU, whatever the default device is: masks are made there and moved
    rows, columns = (torch.tensor(list(p), dtype=torch.int64, device="cpu") for p in (outputs, inputs))
    across = rows[:, None] - columns
    shape = (*channels, *size)
    parts = [across.reshape(*channels, *[1] * rank).expand(shape)]
    for axis, (extent, centre, apart) in enumerate(zip(size, anchor, dilation or (1,) * rank, strict=True)):
        along = (centre - torch.arange(extent, device="cpu")) * apart
        parts.append(along.reshape(-1, *[1] * (rank - 1 - axis)).expand(shape))
    return torch.stack(parts, dim=-1)


def kept_entries(
    order: tuple[tuple[int, ...], ...],
    direction: str | None,
    strict: bool,
    channels: tuple[int, int],
    size: tuple[int, ...] = (),
    anchor: tuple[int, ...] = (),
    positions: tuple[Sequence[int], Sequence[int]] | None = None,
    dilation: tuple[int, ...] | None = None,
) -> Tensor:
    """Mask of the entries that the order allows: bool [O, I, *size].

    `order` holds one row of integer coefficients (channel, then each axis) per key; keys compare lexicographically.
    "lower" keeps an entry whose output comes after its input, "upper" one whose output comes before, and both keep
    the entry from an index to itself unless `strict`. Different indices with equal keys are not kept: reading a tie
    would make the map triangular in blocks only. `direction` None keeps every entry.
    """
    differences = index_differences(channels, size, anchor, positions, dilation)
    if direction is None:
        return torch.ones(differences.shape[:-1], dtype=torch.bool, device="cpu")
    if direction not in ("lower", "upper"):
        raise ValueError(f"direction must be lower, upper or None, not {direction!r}")
    # a sum of products, not a matmul: integer matmul does not exist on every device
    keys = (differences.unsqueeze(-2) * torch.tensor(order, device="cpu")).sum(-1)
    if direction == "upper":
        keys = -keys
    kept = torch.zeros(keys.shape[:-1], dtype=torch.bool, device="cpu")
    tied = torch.ones_like(kept)
    for key in keys.unbind(-1):
        kept = kept | (tied & (key > 0))
        tied = tied & (key == 0)
    return kept if strict else kept | (differences == 0).all(-1)


def hidden_positions(units: int, size: int, direction: str) -> list[int]:
    """Positions, from 0, of hidden units that stand between inputs and results of `size` elements.

    Unit k has degree 1 + k mod (size - 1), as in MADE (Germain et al. 2015): lower reads inputs up to its degree, and
    no unit has the last one, which no strict result could read. For upper the mirror image.
    """
    degrees = [k % max(size - 1, 1) for k in range(units)]
    return degrees if direction == "lower" else [size - 1 - d for d in degrees]


def own_positions(units: int, size: int) -> list[int]:
    """Positions, from 0, of units of which as many stand at each of `size` elements, side by side."""
    each = units // size
    return [k // each for k in range(units)]


def diagonal_entries(
    channels: tuple[int, int],
    size: tuple[int, ...] = (),
    anchor: tuple[int, ...] = (),
    positions: tuple[Sequence[int], Sequence[int]] | None = None,
) -> Tensor:
    """Mask of the entries from an index to itself: bool [O, I, *size]."""
    return (index_differences(channels, size, anchor, positions) == 0).all(-1)


def masks_of(layer: MaskedLike) -> dict[str, Tensor]:
    """The masks of a layer by name."""
    return {name: getattr(layer, name) for name in layer.masks}


def carry_masks(layer: MaskedLike, before: dict[str, Tensor]) -> MaskedLike:
    """Give the masks of a layer that was moved or loaded the entries that they had, or that the meta device had not.

    Masks are not in a state dict, and `to_empty` leaves them unset: then any weight could reach any output.
    """
    if any(mask.is_meta for mask in before.values()):
        layer.make_masks()
    for name, mask in before.items():
        if not mask.is_meta:
            getattr(layer, name).copy_(mask)
    return layer


def kernel_box(mask: Tensor) -> tuple[int, int, int, int]:
    """Smallest (top, bottom, left, right) with every kept tap of mask [..., kh, kw] in [top:bottom, left:right].

    A kernel without any kept tap gets the box of its first tap, so that it stays a kernel.
    """
    taps = mask.flatten(0, -3).any(0)
    rows = taps.any(1).nonzero().flatten().tolist() or [0]
    columns = taps.any(0).nonzero().flatten().tolist() or [0]
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
