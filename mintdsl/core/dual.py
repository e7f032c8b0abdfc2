"""Numbers that carry their gradient, and determinants: the arithmetic of the interpreter, in plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, log
from typing import NamedTuple


class Dual(NamedTuple):
    """A number and its derivatives by the inputs; an input that is not in `gradient` does not reach the number."""

    value: float
    gradient: Mapping[int, float]

    def row(self, width: int) -> list[float]:
        """The derivatives by inputs 0 .. width - 1, zeros filled in."""
        return [self.gradient.get(k, 0.0) for k in range(width)]


def constant(value: float) -> Dual:
    """A number that depends on no input."""
    return Dual(value, {})


def variables(values: Sequence[float]) -> list[Dual]:
    """The inputs themselves."""
    return [Dual(float(value), {k: 1.0}) for k, value in enumerate(values)]


def combine(terms: Iterable[tuple[float, Dual]]) -> Dual:
    """The sum of weight * number over `terms`."""
    total = 0.0
    gradient: dict[int, float] = {}
    for weight, dual in terms:
        total += weight * dual.value
        for k, slope in dual.gradient.items():
            gradient[k] = gradient.get(k, 0.0) + weight * slope
    return Dual(total, gradient)


def multiply(a: Dual, b: Dual) -> Dual:
    """a b"""
    return Dual(a.value * b.value, combine(((b.value, a), (a.value, b))).gradient)


def divide(a: Dual, b: Dual) -> Dual:
    """a / b. ValueError where b is 0."""
    if b.value == 0:
        raise ValueError(f"division of {a.value!r} by 0")
    quotient = a.value / b.value
    return Dual(quotient, combine(((1 / b.value, a), (-quotient / b.value, b))).gradient)


def chain(argument: Dual, value: float, slope: float) -> Dual:
    """f(argument), from f's value and slope there."""
    return Dual(value, {k: slope * s for k, s in argument.gradient.items()})


class Determinant(NamedTuple):
    """sign * exp(log_abs); a singular matrix has sign 0 and log_abs -inf."""

    sign: int
    log_abs: float


def determinant(matrix: Sequence[Sequence[float]]) -> Determinant:
    """The determinant of a square matrix, by elimination with partial pivoting. ValueError if it is not square."""
    rows = [list(row) for row in matrix]
    size = len(rows)
    if any(len(row) != size for row in rows):
        raise ValueError(
            f"a determinant needs a square matrix, not {size} rows of {sorted({len(r) for r in rows})} numbers"
        )
    sign, log_abs = 1, 0.0
    for k in range(size):
        best = max(range(k, size), key=lambda r: abs(rows[r][k]))
        if best != k:
            rows[k], rows[best] = rows[best], rows[k]
            sign = -sign
        pivot = rows[k][k]
        if pivot == 0:
            return Determinant(0, -inf)
        sign = -sign if pivot < 0 else sign
        log_abs += log(abs(pivot))
        for r in range(k + 1, size):
            factor = rows[r][k] / pivot
            if factor:
                rows[r][k:] = [a - factor * b for a, b in zip(rows[r][k:], rows[k][k:], strict=True)]
    return Determinant(sign, log_abs)
