"""The interpreter's side of masks: which input each entry of a map reads, relative to its output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from mintdsl.core import ir
from mintdsl.core.live import anchor
from mintdsl.core.orders import Order


def between(order: Order, units: Sequence[tuple[int, bool]], data: int, strict: bool, direction: str) -> list[bool]:
    """Which entries a masked matrix to or from hidden units keeps, row by row.

    `units` are the number of outputs and that of inputs, each with whether they stand at the positions of the data, of
    size `data`: the first ones at 1, as many at 2, and so on. Hidden unit k stands at 1 + k mod (data - 1).
    """
    places = []
    for size, own in units:
        degrees = [1 + k % (data - 1) if data > 1 else 1 for k in range(size)]
        # the mirror image where later positions are read
        mirrored = degrees if direction == "lower" else [data + 1 - d for d in degrees]
        places.append([position for position in range(1, data + 1) for _ in range(size // data)] if own else mirrored)
    wanted = 1 if direction == "lower" else -1
    allowed = (wanted,) if strict else (wanted, 0)
    return [order.compare((p - q,)) in allowed for p, q in product(*places)]


def differences(kind: ir.Conv | ir.Dense, shape: tuple[int, ...], direction: str) -> Iterator[tuple[int, ...]]:
    """For each entry, in row-major order, the index of the output minus that of the input it reads."""
    if isinstance(kind, ir.Dense):
        return ((o - i,) for o, i in product(*map(range, shape)))
    row, column = anchor(kind, direction)
    down, right = kind.dilation
    return ((o - i, (row - u) * down, (column - v) * right) for o, i, u, v in product(*map(range, shape)))
