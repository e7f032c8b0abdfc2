"""How many entries masks keep, without making them."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.constraints import kept_by
from mintdsl.core.orders import Order


def later(order: Order, sign: int, dh: int, dw: int, channels: int) -> int:
    """Pairs of channels (o, i) for which the key of (o - i, dh, dw) has this sign."""
    kept, first, last = 0, 1 - channels, channels - 1  # the differences whose key is 0 so far
    for a, *rest in order.rows:
        a, b = sign * a, sign * (rest[0] * dh + rest[1] * dw)
        if a == 0 and b:
            return kept + (_pairs(channels, first, last) if b > 0 else 0)
        if a:
            below, root = divmod(-b, a)  # a * d + b > 0 for d beyond -b / a, on the side of the sign of a
            exact = root == 0
            if a > 0:
                kept += _pairs(channels, max(first, below + 1), last)
            else:
                kept += _pairs(channels, first, min(last, below - 1 if exact else below))
            if not exact or not first <= below <= last:
                return kept
            first = last = below
    return kept


def _pairs(channels: int, first: int, last: int) -> int:
    """Pairs of channels whose difference lies from `first` to `last`."""

    def up_to(difference: int) -> int:
        if difference < 0:
            return (channels + difference) * (channels + difference + 1) // 2
        return channels**2 - (channels - 1 - difference) * (channels - difference) // 2

    return up_to(last) - up_to(first - 1) if first <= last else 0


def at_positions(units: int, data: int, own: bool) -> list[int]:
    """How many elements of a Vec stand at each position: as many of the data, every so many of hidden units."""
    period = data if own else max(data - 1, 1)
    return [units // period + (p < units % period) for p in range(period)]


def live_conv(conv: ir.Conv, channels: int, order: Order) -> int:
    """Entries that a mask keeps: of each tap the channel differences whose key is later, and the diagonal."""
    sign = -1 if conv.direction == "upper" else 1
    taps = differences(conv, "lower" if conv.direction != "upper" else "upper")
    return (0 if conv.strict else channels) + sum(later(order, sign, *tap, channels) for tap in taps)


def differences(conv: ir.Conv, direction: str) -> list[tuple[int, int]]:
    """Rows and columns from the pixel that a tap reads to the one that it writes, tap by tap, row-major."""
    (row, column), (down, right) = anchor(conv, direction), conv.dilation
    return [((row - u) * down, (column - v) * right) for u in range(conv.size[0]) for v in range(conv.size[1])]


def half_plane(conv: ir.Conv) -> tuple[int, int] | None:
    """A functional of rows and columns that is positive on the differences of all taps but the anchor; None: none is.

    Taps fill a rectangle, so where any functional is, one of the four diagonals is: the anchor is a corner. Of what
    wraps around none is: pixels read each other in circles.
    """
    taps = [tap for tap in differences(conv, "lower" if conv.direction != "upper" else "upper") if tap != (0, 0)]
    if conv.circular:
        return None
    diagonals = ((a, b) for a in (1, -1) for b in (1, -1))
    return next(((a, b) for a, b in diagonals if all(a * dh + b * dw > 0 for dh, dw in taps)), None)


def determined(kind: ir.Conv | ir.Dense, bound: ir.Bound) -> str | None:
    """The rule by which a constraint on a determinant makes a map a bijection at every size; None where none does."""
    if isinstance(kind, ir.Dense) or kind.size == (1, 1):
        return None if bound.via == "dominant" else "DET" if kind.rank is None else "LOWRANK"
    if kind.circular:
        return "CIRCULANT" if kept_by("det", bound.cmp, bound.via).circular else None
    if half_plane(kind) is not None:
        return "HALF-PLANE"
    return "DOMINANT" if bound.via == "dominant" else None


def anchor(conv: ir.Conv, direction: str) -> tuple[int, int]:
    """The tap (row, column) that meets the pixel itself."""
    return named_tap("corner", conv.size, direction) if conv.anchor == "corner" else conv.anchor


def named_tap(word: str, size: tuple[int, int], direction: str, stride: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """The tap (row, column) that a word of the option `anchor` stands for.

    The centre of an even kernel is that of as many pixels as its stride: as many taps lie before them as behind.
    """
    rows, columns = size
    if word == "corner":
        word = "bottom_right" if direction == "lower" else "top_left"
    match word:
        case "centre":
            down, right = (k // 2 if k % 2 else (k - s) // 2 for k, s in zip(size, stride, strict=True))
            return down, right
        case "bottom_right":
            return rows - 1, columns - 1
        case "bottom_left":
            return rows - 1, 0
        case "top_right":
            return 0, columns - 1
        case "top_left":
            return 0, 0
        case _:
            raise AssertionError(word)
