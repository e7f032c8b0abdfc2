"""What the steps that only move entries mean: the sizes that leave, and the place that each entry comes from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import assert_never

from mintdsl.core import ir

Dims = tuple[int, ...]

ALTERNATE = (0, 3, 1, 2)
"""The corners of a 2 x 2 tile (0: top left, 1: top right, 2: bottom left) in the order of the layout `alternate`."""


def halves(dims: Dims) -> tuple[Dims, list[int], list[int]]:
    """The sizes of a half, and the flat places of the first and of the second one, in order."""
    axis = 1 if len(dims) == 2 else 0  # the features of a Seq
    half, rest = divmod(dims[axis], 2)
    if rest:
        raise ValueError(f"`factor half` of the sizes {list(dims)}: {dims[axis]} has no halves")
    first: list[int] = []
    second: list[int] = []
    for flat, place in enumerate(product(*map(range, dims))):
        (first if place[axis] < half else second).append(flat)
    return (*dims[:axis], half, *dims[axis + 1 :]), first, second


def leaves(op: ir.Moves, dims: Dims) -> Dims:
    """The sizes after a step. ValueError for sizes on which it has no meaning."""
    match op:
        case ir.Squeeze(factor=f, undo=undo):
            if len(dims) != 3 or any(n % by for n, by in zip(dims, (f * f, 1, 1) if undo else (1, f, f), strict=True)):
                raise ValueError(f"{'unsqueeze' if undo else 'squeeze'} {f} does not divide the sizes {list(dims)}")
            c, h, w = dims
            return (c // (f * f), h * f, w * f) if undo else (c * f * f, h // f, w // f)
        case ir.Patches(size=n):
            if len(dims) != 3 or dims[1] % n or dims[2] % n:
                raise ValueError(f"patches {n} does not divide the sizes {list(dims)}")
            c, h, w = dims
            return (h // n * (w // n), n * n * c)
        case ir.Transpose():
            return tuple(_exchanged(op, dims, list(dims)))
        case ir.Flatten():
            return (prod(dims),)
        case ir.Permute() | ir.Reverse():
            return dims
        case other:
            assert_never(other)


def sources(op: ir.Moves, dims: Dims) -> list[int]:
    """For each flat place after a step the flat place that its number comes from. ValueError as for `leaves`."""
    result = leaves(op, dims)
    match op:
        case ir.Squeeze(undo=True):
            back = [0] * prod(dims)
            for place, source in enumerate(_squeezed(op, result)):
                back[source] = place
            return back
        case ir.Squeeze():
            return _squeezed(op, dims)
        case ir.Patches(size=n):
            c, h, w = dims
            tiles = product(range(h // n), range(w // n), range(n), range(n), range(c))
            return [(k * h + n * i + dy) * w + n * j + dx for i, j, dy, dx, k in tiles]
        case ir.Transpose():
            steps = _exchanged(op, dims, [prod(dims[k + 1 :]) for k in range(len(dims))])
            return [sum(a * b for a, b in zip(steps, at, strict=True)) for at in product(*map(range, result))]
        case ir.Flatten():
            return list(range(prod(dims)))
        case ir.Permute(axis=axis, seed=seed):
            return _along(axis, dims, lambda size: drawn(size, seed))
        case ir.Reverse(axis=axis):
            return _along(axis, dims, lambda size: range(size - 1, -1, -1))
        case other:
            assert_never(other)


def _exchanged(op: ir.Transpose, dims: Dims, values: list[int]) -> list[int]:
    """`values`, one for each of the axes of sizes `dims`, with two of them exchanged."""
    words = {2: ("time", "channel"), 3: ("channel", "height", "width")}.get(len(dims), ())
    if op.first not in words or op.second not in words:
        raise ValueError(f"sizes {list(dims)} have no axes `{op.first}` and `{op.second}`")
    one, other = words.index(op.first), words.index(op.second)
    values[one], values[other] = values[other], values[one]
    return values


def drawn(size: int, seed: int) -> list[int]:
    """The permutation of a `permute`: from 0, 1, ..., entry k from the last to the second swaps with entry
    floor(u (k + 1)) where u is the next number of Python's `random.Random(seed).random()`."""
    uniform, order = random.Random(seed).random, list(range(size))
    for k in reversed(range(1, size)):
        other = int(uniform() * (k + 1))
        order[k], order[other] = order[other], order[k]
    return order


def _squeezed(op: ir.Squeeze, dims: Dims) -> list[int]:
    """Of a squeeze, entered with sizes `dims`."""
    f, (c, h, w) = op.factor, dims
    found = []
    for channel, i, j in product(range(c * f * f), range(h // f), range(w // f)):
        match op.layout:
            case "colour_fast":
                corner, k = divmod(channel, c)
            case "colour_slow":
                k, corner = divmod(channel, f * f)
            case "alternate":
                corner, k = ALTERNATE[channel // c], channel % c
            case other:
                raise ValueError(f"`{other}` is no layout")
        dy, dx = divmod(corner, f)
        found.append((k * h + f * i + dy) * w + f * j + dx)
    return found


def _along(axis: str, dims: Dims, order: Callable[[int], Sequence[int]]) -> list[int]:
    """Of a step that puts entry `order(size)[k]` of an axis of that size at k; on "all" of the flat places."""
    if axis == "all":
        return list(order(prod(dims)))
    if axis == "time" and len(dims) != 2:
        raise ValueError(f"sizes {list(dims)} have no axis `time`")
    place = 1 if axis == "channel" and len(dims) == 2 else 0
    before, after = prod(dims[:place]), prod(dims[place + 1 :])
    moved = order(dims[place])
    rows = product(range(before), moved, range(after))
    return [(a * dims[place] + k) * after + b for a, k, b in rows]
