"""The interpreter's side of `det` constraints: the matrix that stored factors stand for, entry by entry.

A stored matrix r of n rows holds, on and above the diagonal, a triangular factor whose diagonal is given apart, and
below it what the form needs there:

* plu: A = P L U; L has 1 on its diagonal and r below it. Row `order[k]` of L U is row k of A.
* qr: A = H_1 ... H_(n-1) R; H_k reflects at v_k, which has 1 at place k and r below it in column k.
* lower, upper, unit_lower, unit_upper: A is that triangle of r.
* householder: as qr, with R the diagonal alone.
* raw: A = r.
* woodbury: of two matrices [d, n] r and s, A = Q B Q'; Q reflects at v_1, ..., v_d, v_k with 1 at place k and what row
  k of r has after it; B is I but for its first d rows, which are those of s, with the first d columns as by qr.
* dominant: as householder, at the anchor of a kernel whose other taps are scaled: `subdued`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core.interpret_norms import ROUNDED_UP, schatten

Matrix = list[list[float]]


def factored(form: str, raw: Matrix, diagonal: Sequence[float], order: Sequence[int]) -> Matrix:
    """The matrix A. `diagonal` is that of the triangular factor."""
    n = len(raw)
    if form == "raw":
        return raw
    below = [[raw[i][j] if j < i else 1.0 if j == i else 0.0 for j in range(n)] for i in range(n)]
    above = [[raw[i][j] if j > i else diagonal[i] if j == i else 0.0 for j in range(n)] for i in range(n)]
    match form:
        case "plu":
            product = [[sum(below[i][k] * above[k][j] for k in range(n)) for j in range(n)] for i in range(n)]
            return [product[k] for k in order]
        case "qr":
            return _reflected(raw, above)
        case "householder" | "dominant":
            return _reflected(raw, [[diagonal[i] if j == i else 0.0 for j in range(n)] for i in range(n)])
        case "lower" | "unit_lower":
            return [[raw[i][j] if j < i else diagonal[i] if j == i else 0.0 for j in range(n)] for i in range(n)]
        case "upper" | "unit_upper":
            return above
        case _:
            raise ValueError(f"the parametrisation `{form}` of a determinant has no meaning in this version")


def added(u: Matrix, v: Matrix) -> Matrix:
    """I + U V, where `u` has the columns of U."""
    n = len(u[0])
    inner = [[sum(a[i] * b[j] for a, b in zip(u, v, strict=True)) for j in range(n)] for i in range(n)]
    return [[inner[i][j] + (i == j) for j in range(n)] for i in range(n)]


def woodbury(mirrors: Matrix, rows: Matrix, diagonal: Sequence[float]) -> Matrix:
    """A = Q B Q' of the form `woodbury`. `diagonal` is that of the triangular factor of the corner of B."""
    d, n = len(rows), len(rows[0])
    corner = factored("qr", [row[:d] for row in rows], diagonal, [])
    inner = [[*corner[i], *rows[i][d:]] for i in range(d)]
    inner += [[float(i == j) for j in range(n)] for i in range(d, n)]
    columns = [[mirrors[k][i] if k < d else 0.0 for k in range(n)] for i in range(n)]
    left = _reflected(columns, inner, d)
    turned = _reflected(columns, [[left[i][j] for i in range(n)] for j in range(n)], d)  # (Q (Q B)')' = Q B Q'
    return [[turned[j][i] for j in range(n)] for i in range(n)]


def subdued(taps: Sequence[Matrix]) -> float:
    """What multiplies the taps beside the anchor of a `dominant` kernel: their norms then add up to 1/2 at most."""
    total = sum(ROUNDED_UP * schatten([[complex(v) for v in row] for row in tap]) for tap in taps if any(map(any, tap)))
    return 1.0 if total <= 0.5 else 0.5 / total


def _reflected(raw: Matrix, matrix: Matrix, count: int | None = None) -> Matrix:
    """H_1 ... H_count times a matrix, the last reflection first; count is n - 1 where it is not said."""
    n, rows = len(raw), [list(row) for row in matrix]
    for k in reversed(range(n - 1 if count is None else count)):
        v = [0.0] * k + [1.0] + [raw[i][k] for i in range(k + 1, n)]
        # v is scaled first, so that its square stays finite
        top = max(map(abs, v))
        v = [a / top for a in v]
        square = sum(a * a for a in v)
        for j in range(n):
            along = 2 * sum(v[i] * rows[i][j] for i in range(k, n)) / square
            for i in range(k, n):
                rows[i][j] -= along * v[i]
    return rows
