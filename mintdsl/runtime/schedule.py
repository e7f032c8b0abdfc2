"""How far dependencies reach: the front of each element, from the differences of index that masks let through."""

from __future__ import annotations

import functools
import heapq
import itertools
import math
from fractions import Fraction

import torch
from torch import Tensor


def corner_tap(direction: str, size: tuple[int, int]) -> tuple[int, int]:
    """The anchor `corner`: bottom right for lower, top left for upper."""
    return (size[0] - 1, size[1] - 1) if direction == "lower" else (0, 0)


@functools.lru_cache(maxsize=256)
def kept_differences(
    order: tuple[tuple[int, ...], ...],
    direction: str,
    size: tuple[int, ...],
    anchor: tuple[int, ...],
    event_shape: tuple[int, ...],
    dilation: tuple[int, ...] = (1, 1),
) -> frozenset[tuple[int, ...]]:
    """Index of an output minus index of another that it reads, for a map that `order` and `direction` mask.

    Only what fits into the shape, and of the channel differences of a tap the smallest and the largest: what lies
    between follows. `size` and `anchor` are () for matrices.
    """
    sign = 1 if direction == "lower" else -1
    taps: list[tuple[int, ...]] = [()]
    for extent, centre, length, apart in zip(size, anchor, event_shape[1:], dilation, strict=False):
        along = [(centre - place) * apart for place in range(extent)]
        taps = [(*tap, way) for tap in taps for way in along if abs(way) < length]

    def kept(difference: tuple[int, ...]) -> bool:
        keys = (sign * sum(a * b for a, b in zip(row, difference, strict=True)) for row in order)
        return next((key for key in keys if key), 0) > 0

    ends = set()
    for tap in taps:
        lines = [(across, *tap) for across in range(1 - event_shape[0], event_shape[0])]
        ends |= {next(filter(kept, way), ()) for way in (lines, reversed(lines))}
    return frozenset(ends - {()})


def token_differences(direction: str, event_shape: tuple[int, ...]) -> frozenset[tuple[int, ...]]:
    """The differences of kept_differences for a map of tokens [T, D] that mixes all features of earlier (later) ones.

    Only those of neighbouring tokens and the outermost features: what is positive on them is so on all others.
    """
    tokens, width = event_shape
    step = 1 if direction == "lower" else -1
    return frozenset({(step, width - 1), (step, 1 - width)} if tokens > 1 else ())


@functools.lru_cache(maxsize=256)
def front_functional(differences: frozenset[tuple[int, ...]], event_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The integer functional of the index that is positive on all differences and takes the fewest values.

    Elements with the same value never depend on each other, so its range counts the parallel steps of a solve:
    (4, 2, 1) for a 3x3 kernel in channel-major order. It is searched, and need not follow the declared order.
    ValueError if there is none: then some element depends on itself through others.
    """
    sizes = [length - 1 for length in event_shape]
    # the longest axis first: its weight is the smallest, so that the search has few to try
    axes = sorted((axis for axis, size in enumerate(sizes) if size), key=lambda axis: -sizes[axis])
    extents = tuple(sizes[axis] for axis in axes)
    rows = [(tuple(d[axis] for axis in axes), Fraction(1)) for d in indecomposable(differences)]
    start = real_weights(rows, len(axes))
    scale = math.lcm(*(w.denominator for w in start or ()))
    budget = sum(int(abs(w) * scale) * extent for w, extent in zip(start or (), extents, strict=False))
    weights = dict(zip(axes, least_weights(rows, extents, budget) or (), strict=False))
    functional = tuple(weights.get(axis, 0) for axis in range(len(sizes)))
    if not all(sum(w * v for w, v in zip(functional, d, strict=True)) > 0 for d in differences):
        raise ValueError(f"these dependencies lead in a circle: {sorted(differences)}")
    return functional


def indecomposable(differences: frozenset[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The differences that are no sum of two others: what is positive on them is positive on all.

    The differences of a tap count as all between its smallest and its largest across channels.
    """
    ends: dict[tuple[int, ...], tuple[int, int]] = {}
    for across, *tap in differences:
        low, high = ends.get(tuple(tap), (across, across))
        ends[tuple(tap)] = (min(low, across), max(high, across))

    def composed(across: int, tap: tuple[int, ...]) -> bool:
        for first, (low, high) in ends.items():
            rest = ends.get(tuple(t - f for t, f in zip(tap, first, strict=True)))
            if rest is not None and low + rest[0] <= across <= high + rest[1]:
                return True
        return False

    return sorted({(a, *tap) for tap, pair in ends.items() for a in pair if not composed(a, tap)})


Inequality = tuple[tuple[int, ...], Fraction]
"""A condition on integer weights: coefficients . weights >= the number."""


def first_weight_range(rows: list[Inequality], rank: int) -> tuple[Fraction | float, Fraction | float]:
    """The interval of real first weights for which some real other weights fulfil all conditions; (inf, -inf): none.

    The other weights are eliminated (Fourier and Motzkin): each lower bound of one stays below each upper bound.
    """
    for _ in range(rank - 1):
        above = [row for row in rows if row[0][-1] > 0]
        below = [row for row in rows if row[0][-1] < 0]
        rows = [(c[:-1], need) for c, need in rows if not c[-1]]
        for (p, need), (q, other) in itertools.product(above, below):
            mixed = tuple(p[-1] * v - q[-1] * u for u, v in zip(p[:-1], q[:-1], strict=True))
            rows.append((mixed, p[-1] * other - q[-1] * need))
    if any(not c[0] and need > 0 for c, need in rows):
        return math.inf, -math.inf
    low = max((need / c[0] for c, need in rows if c[0] > 0), default=-math.inf)
    high = min((need / c[0] for c, need in rows if c[0] < 0), default=math.inf)
    return (low, high) if low <= high else (math.inf, -math.inf)


def after_first(rows: list[Inequality], weight: Fraction | int) -> list[Inequality]:
    """The conditions on the other weights once the first is chosen."""
    return [(c[1:], need - c[0] * weight) for c, need in rows]


def real_weights(rows: list[Inequality], rank: int) -> tuple[Fraction, ...] | None:
    """Some real weights that fulfil all conditions, the first as near to 0 as can be, then the second; None: none."""
    if rank == 0:
        return ()
    low, high = first_weight_range(rows, rank)
    if low > high:
        return None
    weight = Fraction(max(low, min(high, 0)))
    rest = real_weights(after_first(rows, weight), rank - 1)
    return None if rest is None else (weight, *rest)


def least_weights(rows: list[Inequality], extents: tuple[int, ...], budget: int) -> tuple[int, ...] | None:
    """The integer weights with the least sum |weight| * extent that fulfil all conditions; None beyond `budget`."""
    if not extents:
        return () if all(need <= 0 for _, need in rows) else None
    low, high = first_weight_range(rows, len(extents))
    if low > high:
        return None
    most = budget // extents[0]
    first, last = math.ceil(max(low, -most)), math.floor(min(high, most))
    best = None
    for weight in heapq.merge(range(max(first, 0), last + 1), range(min(last, -1), first - 1, -1), key=abs):
        left = budget - abs(weight) * extents[0]
        if left < 0:
            break
        rest = least_weights(after_first(rows, weight), extents[1:], left)
        if rest is not None:
            best = (weight, *rest)
            budget = sum(abs(w) * extent for w, extent in zip(best, extents, strict=True)) - 1
    return best


def front_numbers(functional: tuple[int, ...], event_shape: tuple[int, ...], device: torch.device) -> Tensor:
    """The front of each element, 1 to P, int64 of the event's shape.

    Elements of a front depend on earlier ones only.
    """
    total = torch.zeros(event_shape, dtype=torch.int64, device=device)
    for axis, weight in enumerate(functional):
        places = torch.arange(event_shape[axis], device=device).reshape(-1, *[1] * (len(event_shape) - 1 - axis))
        total = total + weight * places
    return total - total.min() + 1 if total.numel() else total


def front_count(functional: tuple[int, ...], event_shape: tuple[int, ...]) -> int:
    """The number P of fronts: the longest dependency path is no longer."""
    return 1 + sum(abs(w) * (n - 1) for w, n in zip(functional, event_shape, strict=True))
