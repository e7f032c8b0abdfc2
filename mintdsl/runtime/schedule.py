"""How far dependencies reach: the front of each element, from the taps that a mask lets through."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def corner_tap(direction: str, size: tuple[int, int]) -> tuple[int, int]:
    """The anchor `corner`: bottom right for lower, top left for upper."""
    return (size[0] - 1, size[1] - 1) if direction == "lower" else (0, 0)


@functools.lru_cache(maxsize=256)
def front_functional(
    order: tuple[tuple[int, ...], ...],
    direction: str,
    kernels: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...],
    event_shape: tuple[int, ...],
) -> tuple[int, ...]:
    """Integer coefficients of the index that grow by at least 1 along every dependency of a map masked by `order`.

    `kernels` are (size, anchor) of the maps ((), ()) for matrices. Elements with the same value never depend on each
    other, so its range counts the parallel steps of a solve: (4, 2, 1) for a 3x3 kernel in channel-major order.
    """
    sign = 1 if direction == "lower" else -1
    channels = event_shape[0]
    differences = set()
    for size, anchor in kernels:
        taps: list[tuple[int, ...]] = [()]
        for extent, centre, length in zip(size, anchor, event_shape[1:], strict=False):
            taps = [(*tap, centre - place) for tap in taps for place in range(extent) if abs(centre - place) < length]
        differences |= {(across, *tap) for across in range(1 - channels, channels) for tap in taps}

    def keys(difference: tuple[int, ...]) -> list[int]:
        return [sign * sum(a * b for a, b in zip(row, difference, strict=True)) for row in order]

    later = [k for k in map(keys, differences) if next((v for v in k if v), 0) > 0]
    weights = [0] * len(order)
    for row in reversed(range(len(order))):
        # only the dependencies whose first difference is in this row ask for a weight here
        for key in later:
            if key[row] > 0 and not any(key[:row]):
                behind = sum(w * v for w, v in zip(weights[row + 1 :], key[row + 1 :], strict=True))
                weights[row] = max(weights[row], -((behind - 1) // key[row]))
    return tuple(
        sign * sum(w * row[axis] for w, row in zip(weights, order, strict=True)) for axis in range(len(order[0]))
    )


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
