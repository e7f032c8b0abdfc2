"""The exponential of a matrix, by scaling and squaring, in plain Python floats."""

from __future__ import annotations

import math
from collections.abc import Sequence

TERMS = 20
"""Of the series of a matrix whose rows sum up to at most a half: what is left is below 2^-20 / 20!."""

Matrix = list[list[float]]


def exponential(matrix: Sequence[Sequence[float]]) -> Matrix:
    """exp(M) of a square matrix. ValueError where a number is not finite."""
    size, halvings = len(matrix), 0
    largest = max((sum(map(abs, row)) for row in matrix), default=0.0)
    if not math.isfinite(largest):
        raise ValueError("the exponential of a matrix whose numbers are not finite")
    while largest > 0.5:
        largest, halvings = largest / 2, halvings + 1
    small = [[v / 2.0**halvings for v in row] for row in matrix]
    found = [[float(p == q) for q in range(size)] for p in range(size)]
    for k in range(TERMS, 0, -1):  # I + M / 1 (I + M / 2 (I + ...))
        found = [[v / k for v in row] for row in times(small, found)]
        for p in range(size):
            found[p][p] += 1.0
    for _ in range(halvings):
        found = times(found, found)
    return found


def times(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> Matrix:
    """The product of two square matrices; zeros of the first cost nothing."""
    result: Matrix = []
    for row in a:
        total = [0.0] * len(row)
        for factor, other in zip(row, b, strict=True):
            if factor:
                total = [t + factor * v for t, v in zip(total, other, strict=True)]
        result.append(total)
    return result
