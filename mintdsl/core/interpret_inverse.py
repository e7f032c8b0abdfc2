"""A layer in its inverse direction: the x with f(x) = z by Newton's method on the dense Jacobian, in plain floats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mintdsl.core.dual import Dual, combine, variables

STEPS, HALVINGS = 200, 60
EXACT, ENOUGH = 1e-15, 1e-11
"""The residual, relative to 1 + |z|, at which the search ends, and the largest that is taken for a solution."""


def undo(f: Callable[[list[Dual]], list[Dual]], z: Sequence[Dual]) -> list[Dual]:
    """The x with f(x) = z and its derivatives, J^-1 those of z. ValueError where no such x is found.

    Newton's method, a step halved until the residual falls. f is a proved bijection, so its Jacobian is regular and a
    minimum of the residual is a solution; at a kink of f the search may stop short, and says so.
    """
    wanted = [dual.value for dual in z]

    def residual(x: Sequence[float]) -> tuple[float, list[Dual]]:
        found = f(variables(x))
        return max((abs(y.value - v) / (1 + abs(v)) for y, v in zip(found, wanted, strict=True)), default=0.0), found

    x = list(wanted)
    missed, found = residual(x)
    for _ in range(STEPS):
        if missed <= EXACT:
            break
        rows = [dual.row(len(x)) for dual in found]
        step = [row[0] for row in solve(rows, [[v - y.value] for y, v in zip(found, wanted, strict=True)])]
        length = 1.0
        for _ in range(HALVINGS):
            moved = [a + length * b for a, b in zip(x, step, strict=True)]
            now, there = residual(moved)
            if now < missed:
                break
            length /= 2
        else:
            break
        x, missed, found = moved, now, there
    if not missed <= ENOUGH:
        raise ValueError(f"the inverse of a layer was not found: its residual is {missed:g}")
    size = len(x)
    inverse = solve([dual.row(size) for dual in found], [[float(p == q) for q in range(size)] for p in range(size)])
    slopes = (combine(zip(row, z, strict=True)).gradient for row in inverse)
    return [Dual(value, gradient) for value, gradient in zip(x, slopes, strict=True)]


def solve(matrix: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> list[list[float]]:
    """X with matrix X = right, by elimination with partial pivoting. ValueError if the matrix is singular."""
    size = len(matrix)
    rows = [[*row, *more] for row, more in zip(matrix, right, strict=True)]
    for k in range(size):
        best = max(range(k, size), key=lambda r: abs(rows[r][k]))
        rows[k], rows[best] = rows[best], rows[k]
        pivot = rows[k][k]
        if pivot == 0:
            raise ValueError("a Jacobian is singular: the layer has no inverse there")
        rows[k] = [v / pivot for v in rows[k]]
        for r in range(size):
            factor = rows[r][k]
            if r != k and factor:
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[k], strict=True)]
    return [row[size:] for row in rows]
