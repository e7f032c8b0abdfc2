"""Fixed permutations: how they are drawn, and which entry moves where."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from math import prod


@lru_cache(maxsize=64)
def permutation(count: int, seed: int) -> tuple[int, ...]:
    """The numbers below `count` in an order that `seed` draws: the shuffle of Python's Mersenne Twister."""
    order = list(range(count))
    random.Random(seed).shuffle(order)
    return tuple(order)


def permuted_places(dims: Sequence[int], axis: str, seed: int) -> tuple[int, ...]:
    """For each flat place behind a permutation the place in front of it that its number comes from.

    Along an axis entry k behind is entry permutation[k] in front; `all` takes the places as one axis.
    """
    total = prod(dims)
    if axis == "all":
        return permutation(total, seed)
    along = 0 if axis == "time" or len(dims) != 2 else 1  # Seq[T, D] has its channels last
    size, stride = dims[along], prod(dims[along + 1 :])
    order = permutation(size, seed)
    return tuple(p + (order[p // stride % size] - p // stride % size) * stride for p in range(total))
