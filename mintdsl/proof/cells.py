"""Sets of cells of an index grid as whole numbers, and the ways back through masked maps.

A set holds, for each cell of a grid in row-major order, a word of `width` bits: one bit for each watched output.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from mintdsl.core import ir
from mintdsl.core.counts import Sizes
from mintdsl.core.live import differences
from mintdsl.core.orders import Order

Tap: TypeAlias = tuple[int, int, int, int]
"""Rows and columns from the output to the input read, least and greatest difference of channels (output - input)."""


@lru_cache(maxsize=256)
def taps(conv: ir.Conv, outputs: int, inputs: int, order: Order | None, direction: str) -> tuple[Tap, ...]:
    """The entries that the mask of a convolution keeps, in runs over the channels."""
    found: list[Tap] = []
    for dh, dw in differences(conv, direction):
        down, right = -dh, -dw
        found += ((down, right, *run) for run in _runs(conv, outputs, inputs, order, direction, down, right))
    return tuple(found)


def _runs(
    conv: ir.Conv, outputs: int, inputs: int, order: Order | None, direction: str, down: int, right: int
) -> list[tuple[int, int]]:
    """Runs of differences of the channels that are kept at one place of the kernel."""
    if order is None:
        return [(1 - inputs, outputs - 1)]
    later = 1 if direction == "lower" else -1
    found: list[tuple[int, int]] = []
    for channel in range(1 - inputs, outputs):
        difference = (channel, -down, -right)
        if order.compare(difference) == later if any(difference) else not conv.strict:
            if found and found[-1][1] == channel - 1:
                found[-1] = (found[-1][0], channel)
            else:
                found.append((channel, channel))
    return found


def around(kept: Sequence[Tap], target: Sizes) -> tuple[Tap, ...]:
    """The same taps where images go on with their other side: each is a shift to either end of both axes."""
    _, height, columns = target
    return tuple(
        (down % height - up, right % columns - back, low, high)
        for down, right, low, high in kept
        for up in (0, height)
        for back in (0, columns)
    )


def convolved(cells: int, kept: Sequence[Tap], inputs: int, target: Sizes, width: int) -> int:
    """The cells of `inputs` channels that a convolution with these taps reads."""
    channels, height, columns = target
    plane = height * columns * width
    found = 0
    for down, right, low, high in kept:
        if abs(down) >= height or abs(right) >= columns:
            continue
        inside = cells & _border(down, right, height, columns, width, channels)
        by = (down * columns + right) * width
        found |= _spread(inside << by if by >= 0 else inside >> -by, low, high, plane)
    return found & (1 << inputs * plane) - 1


@lru_cache(maxsize=16)
def _border(down: int, right: int, height: int, columns: int, width: int, channels: int) -> int:
    """The cells that stay inside their channel's plane when moved."""
    row = (1 << (columns - abs(right)) * width) - 1 << max(0, -right) * width
    rows = _tiled(row, columns * width, height - abs(down)) << max(0, -down) * columns * width
    return _tiled(rows, height * columns * width, channels)


def _tiled(pattern: int, size: int, copies: int) -> int:
    """`copies` of a pattern of `size` bits, one above the other."""
    return int.from_bytes(pattern.to_bytes(size // 8, "little") * copies, "little")


def mixed(
    cells: int, dense: ir.Dense, outputs: int, inputs: int, order: Order | None, direction: str, width: int
) -> int:
    """The coordinates of a vector that a matrix reads; the key of a vector's index is a multiple of it."""
    later = 1 if direction == "lower" else -1
    found = 0
    if order is None or order.compare((1,)) == later:
        found |= _spread(cells, 1, outputs - 1, width)
    if order is None or order.compare((-1,)) == later:
        found |= _spread(cells, 1 - inputs, -1, width)
    if order is None or not dense.strict:
        found |= cells
    return found & (1 << inputs * width) - 1


def _spread(cells: int, low: int, high: int, size: int) -> int:
    """The union of the set moved down by `low` to `high` words of `size` bits; below 0 means up."""
    if high < low:
        return 0
    found = cells >> low * size if low >= 0 else cells << -low * size
    made, wanted = 1, high - low + 1
    while made < wanted:
        more = min(made, wanted - made)
        found |= found >> more * size
        made += more
    return found


def lanes(cells: int, size: int, width: int) -> str:
    """The bits of a set as text, the lowest first."""
    return f"{cells:0{size * width}b}"[::-1]


def moved(cells: int, sources: Sequence[int], size: int) -> int:
    """Each word of `size` bytes to the cell that it came from."""
    data = cells.to_bytes(len(sources) * size, "little")
    words = [b""] * len(sources)
    for k, source in enumerate(sources):
        words[source] = data[k * size : (k + 1) * size]
    return int.from_bytes(b"".join(words), "little")
