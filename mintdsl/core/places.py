"""Where the entries of each part of a split stand in the whole, at concrete sizes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from mintdsl.core import ir
from mintdsl.core.steps import SHAPES


def part_places(split: ir.Split, start: int, dims: Sequence[int]) -> list[list[int]]:
    """For each part the flat places, row-major, of its entries in the whole, which has the sizes `dims`.

    A part of a mask has the layout of the whole; its list has the places that belong to it. ValueError where the parts
    of another split are not equal.
    """
    count = len(split.parts)
    axis = 0 if len(dims) == SHAPES["Image"] else len(dims) - 1
    if split.functional is None and dims[axis] % count:
        raise ValueError(f"`{split.how}` does not cut sizes {list(dims)} into {count} equal parts")
    found: list[list[int]] = [[] for _ in split.parts]
    for place, index in enumerate(product(*map(range, dims))):
        if split.functional is not None:
            *factors, shift = split.functional
            residue = sum(a * i for a, i in zip(factors, index, strict=True)) + shift
        elif split.how == "strided":
            residue = index[axis]
        else:
            residue = index[axis] // (dims[axis] // count)
        found[(residue - start) % count].append(place)
    return found
