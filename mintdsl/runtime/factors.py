"""Square matrices on channels, kept as the factors of a parametrisation of `det`: applied, solved, taken apart.

`stored` [n, n] has on and above its diagonal a triangular factor, whose diagonal is constrained already, and
below it what the form needs there:

plu: A = P L U, L with 1 on its diagonal; row order[k] of L U is row k of A. qr: A = Q U, Q of the reflections at the
vectors below the diagonal, which have 1 on it. householder: A = Q D, D the diagonal. lower, upper, unit_lower,
unit_upper: that triangle. raw: A itself. dominant: as householder, of a kernel that is multiplied out (`dominant.py`).

The product is formed only to show it: each factor is regular in floating point, which a rounded product need not be.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mintdsl.runtime.families import diagonal_of
from mintdsl.runtime.parametrise import folded, positive_softplus_inverse

MULTIPLIED = ("raw", "dominant")
DENSE_LIMIT = 4096


def matrix_of(weight: Tensor, tap: tuple[int, ...] = (0, 0)) -> Tensor:
    """The matrix [n, n] at a tap of a kernel [n, n, rows, columns]; a matrix as it is."""
    return weight[..., tap[0], tap[1]] if weight.dim() == 4 else weight


def with_matrix(weight: Tensor, matrix: Tensor, tap: tuple[int, ...] = (0, 0)) -> Tensor:
    """`weight` with another matrix, or with another one at this tap of a kernel."""
    if weight.dim() < 4 or weight.shape[-2:] == (1, 1):
        return matrix.reshape(weight.shape)
    (top, left), (rows, columns) = tap, weight.shape[-2:]
    around = (left, columns - 1 - left, top, rows - 1 - top)
    places = nn.functional.pad(torch.ones_like(weight[:1, :1, :1, :1]), around)
    return torch.where(places > 0, nn.functional.pad(matrix[..., None, None], around), weight)


def refuse_dense(what: str, size: int) -> None:
    """ValueError for matrices of more than 4096 rows: D of them take D^2 numbers and D^3 operations."""
    if size > DENSE_LIMIT:
        raise ValueError(f"{what}, for at most {DENSE_LIMIT} elements; here are {size}")


def exactly(x: Tensor) -> torch.autocast:
    """Inside, nothing is rounded to 16 bits that was not before."""
    return torch.autocast("cpu" if x.is_meta else x.device.type, enabled=False)


def times_matrix(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix [m, n] times every pixel, or the vector, of x [B, n, *pixels]."""
    wide = torch.promote_types(matrix.dtype, x.dtype)
    return torch.einsum("mn,bn...->bm...", matrix.to(wide), x.to(wide))


def in_columns(z: Tensor, dtype: torch.dtype) -> Tensor:
    """z [B, n, *pixels] as n rows of numbers, in this dtype."""
    return z.movedim(1, 0).reshape(z.shape[1], -1).to(dtype)


def solve_triangle(matrix: Tensor, z: Tensor, *, upper: bool, unit: bool = False) -> Tensor:
    """x [B, n, *pixels] with matrix x = z at every pixel; only that triangle of the matrix [n, n] is read.

    In float32 at least, for which the solver is written.
    """
    kept = torch.promote_types(matrix.dtype, z.dtype)
    wide = torch.promote_types(kept, torch.float32)
    rows = in_columns(z, wide)
    solved: Tensor = torch.linalg.solve_triangular(matrix.to(wide), rows, upper=upper, unitriangular=unit)
    return solved.reshape(z.shape[1], z.shape[0], *z.shape[2:]).movedim(0, 1).to(kept)


def solve_matrix(matrix: Tensor, z: Tensor) -> Tensor:
    """x [B, n, *pixels] with matrix x = z at every pixel, by elimination; dtypes as in solve_triangle."""
    kept = torch.promote_types(matrix.dtype, z.dtype)
    wide = torch.promote_types(kept, torch.float32)
    solved: Tensor = torch.linalg.solve(matrix.to(wide), in_columns(z, wide))
    return solved.reshape(z.shape[1], z.shape[0], *z.shape[2:]).movedim(0, 1).to(kept)


def reads_later(order: tuple[tuple[int, ...], ...], direction: str) -> bool:
    """Whether a channel reads channels of larger numbers, where a map has this direction in an order of those keys."""
    first = next((row[0] for row in order if row[0]), 1)
    return (direction == "upper") == (first > 0)


def lower_factor(stored: Tensor) -> Tensor:
    """L [n, k]: what is below the diagonal, and 1 on it."""
    return torch.tril(stored, -1) + torch.eye(*stored.shape[-2:], dtype=stored.dtype, device=stored.device)


def mirrors(stored: Tensor) -> tuple[Tensor, Tensor]:
    """V [n, k] and T V' [k, n] of the reflections Q = H_1 ... H_k = I - V T V' at the columns of `stored` [n, k].

    H_k = I - 2 v v' / v'v at v_k = (0, .., 0, 1, what is below the diagonal in column k). V has unit columns, and
    T^-1 = I / 2 + what of V'V is above the diagonal (Puglisi, SIAM J. Sci. Stat. Comput. 13, 1992). v is scaled before
    it is squared, so that its norm is finite whatever is stored. In float32 at least.
    """
    v = lower_factor(stored.to(torch.promote_types(stored.dtype, torch.float32)))
    v = v / v.abs().amax(-2, keepdim=True)
    v = v / v.norm(dim=-2, keepdim=True)
    with exactly(stored):
        inner = torch.triu(v.mT @ v, 1) + 0.5 * torch.eye(v.shape[-1], dtype=v.dtype, device=v.device)
        return v, torch.linalg.solve_triangular(inner, v.mT, upper=True)


def reflections(stored: Tensor) -> Tensor:
    """Q = H_1 ... H_(n-1) [n, n] of what is stored [n, n], as in `mirrors`."""
    v, turned = mirrors(stored[..., :-1])
    with exactly(stored):
        q: Tensor = torch.eye(stored.shape[-1], dtype=v.dtype, device=stored.device) - v @ turned
        return q.to(stored.dtype)


def apply_factors(form: str, weight: Tensor, x: Tensor, order: Tensor | None = None) -> Tensor:
    """A x at every pixel of x [B, n, *pixels]."""
    stored = matrix_of(weight)
    if form in ("plu", "qr", "upper", "unit_upper"):
        x = times_matrix(torch.triu(stored), x)
    if form == "householder":
        x = times_matrix(torch.diag_embed(stored.diagonal(dim1=-2, dim2=-1)), x)
    if form in ("qr", "householder"):
        x = times_matrix(reflections(stored), x)
    if form == "plu":
        assert order is not None
        x = times_matrix(lower_factor(stored), x).index_select(1, order)
    if form in ("lower", "unit_lower"):
        x = times_matrix(torch.tril(stored), x)
    return times_matrix(stored, x) if form in MULTIPLIED else x


def solve_factors(form: str, weight: Tensor, z: Tensor, order: Tensor | None = None) -> Tensor:
    """x [B, n, *pixels] with A x = z at every pixel."""
    stored = matrix_of(weight)
    if form in MULTIPLIED:
        return solve_matrix(stored, z)
    if form == "plu":
        assert order is not None
        z = solve_triangle(stored, z.index_select(1, order.argsort()), upper=False, unit=True)
    if form in ("qr", "householder"):
        z = times_matrix(reflections(stored).mT, z)
    if form == "householder":
        return times_matrix(torch.diag_embed(stored.diagonal(dim1=-2, dim2=-1)), z)  # its entries are 1 and -1
    return solve_triangle(stored, z, upper=form not in ("lower", "unit_lower"))


def dense_factors(form: str, weight: Tensor, order: Tensor | None = None, tap: tuple[int, ...] = (0, 0)) -> Tensor:
    """A itself, rounded, in the shape of the parameter: of a kernel at this tap."""
    stored = matrix_of(weight, tap)
    if form == "plu":
        assert order is not None
        rows = lower_factor(stored) @ torch.triu(stored)
        product = rows.gather(-2, order[..., None].expand_as(rows))
    elif form == "qr":
        product = reflections(stored) @ torch.triu(stored)
    elif form == "householder":
        product = reflections(stored) * stored.diagonal(dim1=-2, dim2=-1)[..., None, :]
    elif form in ("lower", "unit_lower"):
        product = torch.tril(stored)
    else:
        product = stored if form in MULTIPLIED else torch.triu(stored)
    return with_matrix(weight, product, tap)


def factors_log_det(form: str, weight: Tensor, x: Tensor, tap: tuple[int, ...] = (0, 0)) -> Tensor:
    """log |det| of A at all pixels of x [B, n, *pixels] together: a number, in float32 at least."""
    stored = matrix_of(weight, tap)
    stored = stored.to(torch.promote_types(stored.dtype, torch.float32))
    pixels = math.prod(x.shape[2:])
    if form in MULTIPLIED:
        size: Tensor = torch.linalg.slogdet(stored)[1]
        return pixels * size
    return pixels * diagonal_of(stored).abs().log().sum()


def signs_only(raw: Tensor, sign: Tensor) -> Tensor:
    """The diagonal of a householder form: its signs, whatever is stored there."""
    return sign.expand_as(raw)


def reflected(a: Tensor, count: int) -> Tensor:
    """R of Q R = a [..., n, m], on and above the diagonal of `count` columns, below it what `mirrors` wants of Q."""
    a = a.clone()
    for k in range(count):
        column = a[..., k:, k]
        size = column.norm(dim=-1, keepdim=True)
        towards = column[..., :1] + torch.where(column[..., :1] < 0, -size, size)
        v = torch.where(towards == 0, 0.0, column / torch.where(towards == 0, 1.0, towards))
        v[..., 0] = 1.0
        block = a[..., k:, k:]
        along = 2.0 * (v[..., None, :] @ block) / v.square().sum(-1)[..., None, None]
        a[..., k:, k:] = block - v[..., None] * along
        a[..., k + 1 :, k] = v[..., 1:]
    return a


def factorise(form: str, value: Tensor, tap: tuple[int, ...] = (0, 0)) -> tuple[Tensor, Tensor, Tensor]:
    """(stored, sign, order) of the matrix of this form that is nearest, in spirit, to `value`, or to that at its tap.

    Pivots nearer to 0 than 2^-19 are moved there and what the form cannot hold is left out, so that any finite value
    can be stored as an initial one. In float64 inside. `stored` has raw numbers on its diagonal.
    """
    form = "householder" if form == "dominant" else form
    given = matrix_of(value, tap).detach()
    a = given.double()
    n = a.shape[-1]
    places = torch.arange(n, device=a.device).expand(a.shape[:-1])
    order = places
    if form == "plu":
        p, lower, upper = torch.linalg.lu(a)
        order = p.argmax(-1)  # row k of P L U is row order[k] of L U
        a = torch.tril(lower, -1) + torch.triu(upper)
    elif form in ("qr", "householder"):
        a = reflected(a, n - 1)
    diagonal = a.diagonal(dim1=-2, dim2=-1)
    sign = torch.where(diagonal < 0, -1.0, 1.0).to(given.dtype)
    magnitudes = folded(diagonal.to(given.dtype), 2.0**-19)
    raw = positive_softplus_inverse(magnitudes)
    if form in ("householder", "unit_lower", "unit_upper"):
        raw = torch.zeros_like(raw)
    kept = {"lower": -1, "unit_lower": -1}.get(form)
    off = torch.tril(a, -1) if kept else torch.triu(a, 1) if form in ("upper", "unit_upper") else a
    if form == "householder":
        off = torch.tril(a, -1)
    stored = torch.diag_embed(raw) + (off - torch.diag_embed(off.diagonal(dim1=-2, dim2=-1))).to(given.dtype)
    return with_matrix(value.detach(), stored, tap), sign, order


def refuse_matrix(name: str, form: str, value: Tensor, got: Tensor) -> None:
    """ValueError where `got`, the matrix that was stored, is not `value` up to rounding; it says what a form holds."""
    n = value.shape[-1] if value.dim() < 4 else value.shape[-3]
    slack = 64 * n * torch.finfo(value.dtype).eps * float(value.abs().max())
    off = float((got - value).abs().max())
    if off <= slack:
        return
    place = " at the anchor" if value.dim() == 4 and value.shape[-2:] != (1, 1) else ""
    holds = {
        "plu": "matrices whose pivots are at least 2^-20 in magnitude",
        "qr": "matrices whose R has a diagonal of at least 2^-20 in magnitude",
        "lower": "lower triangular matrices with a diagonal of at least 2^-20 in magnitude",
        "upper": "upper triangular matrices with a diagonal of at least 2^-20 in magnitude",
        "unit_lower": "lower triangular matrices with 1 on the diagonal",
        "unit_upper": "upper triangular matrices with 1 on the diagonal",
        "householder": "orthogonal matrices",
        "woodbury": "regular I + U V of its rank",
        "raw": "I + U V of its rank",
        "dominant": "kernels whose other taps have norms of at most 1/2 in sum, and orthogonal matrices",
    }
    raise ValueError(f"{name} cannot hold this value: `via {form}` holds {holds[form]}{place} (off by {off:.3g})")
