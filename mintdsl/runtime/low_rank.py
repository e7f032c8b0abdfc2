"""Maps of low rank beside the identity, I + U V with U [n, d] and V [d, n], d <= n: never multiplied out.

Stored as two matrices [2, d, n]. low_rank: U' and V. woodbury: I + U V = Q B Q', Q the reflections whose vectors are
the rows of the first one (1 at place k of row k, what is before it unused), B = I but for its first d rows, which are
the second one: K [d, d], kept as `qr` by its factors, and what follows it. So det(I + U V) = det(K), and every I + U V
that is regular has such a form: Q' takes the columns of U to the first d coordinates.

Lu, Huang, Woodbury Transformations for Deep Generative Flows, NeurIPS 2020, arXiv:2002.12229: the determinant is that
of I + V U (Sylvester), and the inverse I - U (I + V U)^-1 V (Woodbury). Each costs d n for a pixel.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from mintdsl.runtime.chain import effective_matrix, set_effective_matrix
from mintdsl.runtime.factors import (
    apply_factors,
    exactly,
    factorise,
    mirrors,
    reflected,
    refuse_matrix,
    solve_factors,
    solve_matrix,
    times_matrix,
)
from mintdsl.runtime.families import diagonal_of, with_diagonal
from mintdsl.runtime.layer import effective_value, store_effective
from mintdsl.runtime.parametrise import nonzero_signed
from mintdsl.runtime.protocols import LayerLike


def check_rank(owner: str, rank: int, channels: int) -> None:
    """ValueError for a rank that no matrix of so many channels has."""
    if rank > channels:
        raise ValueError(f"{owner}: a rank of {rank} on {channels} channels")


def regular_low_rank(raw: Tensor, sign: Tensor) -> Tensor:
    """The form `woodbury` [2, d, n] of any finite raw numbers: the diagonal of the factor of K is at least 2^-20."""
    rows, rank = raw[1], raw.shape[1]
    corner = with_diagonal(rows[:, :rank], nonzero_signed(diagonal_of(rows[:, :rank]), sign))
    return torch.stack((raw[0], torch.cat((corner, rows[:, rank:]), dim=1)))


def small_matrix(weight: Tensor) -> Tensor:
    """I + V U [d, d], in float32 at least."""
    u, v = weight.to(torch.promote_types(weight.dtype, torch.float32))
    with exactly(weight):
        small: Tensor = torch.eye(len(v), dtype=v.dtype, device=v.device) + v @ u.mT
        return small


def turned(pair: tuple[Tensor, Tensor], x: Tensor, *, back: bool) -> Tensor:
    """Q x, or Q' x, at every pixel of x [B, n, *pixels], Q = I - V T V' as `mirrors` gives it."""
    v, after = pair
    return x - times_matrix(after.mT, times_matrix(v.mT, x)) if back else x - times_matrix(v, times_matrix(after, x))


def apply_low_rank(form: str, weight: Tensor, x: Tensor) -> Tensor:
    """(I + U V) x at every pixel of x [B, n, *pixels]."""
    if form == "low_rank":
        return x + times_matrix(weight[0].mT, times_matrix(weight[1], x))
    rank, pair, kept = weight.shape[1], mirrors(weight[0].mT), torch.promote_types(weight.dtype, x.dtype)
    x = turned(pair, x, back=True)
    head, rest = x[:, :rank], x[:, rank:]
    head = apply_factors("qr", weight[1, :, :rank], head) + times_matrix(weight[1, :, rank:], rest)
    return turned(pair, torch.cat((head, rest), dim=1), back=False).to(kept)


def solve_low_rank(form: str, weight: Tensor, z: Tensor) -> Tensor:
    """x [B, n, *pixels] with (I + U V) x = z at every pixel."""
    kept = torch.promote_types(weight.dtype, z.dtype)
    if form == "low_rank":
        inner = solve_matrix(small_matrix(weight), times_matrix(weight[1], z))
        return (z - times_matrix(weight[0].mT, inner)).to(kept)
    rank, pair = weight.shape[1], mirrors(weight[0].mT)
    z = turned(pair, z, back=True)
    head, rest = z[:, :rank], z[:, rank:]
    head = solve_factors("qr", weight[1, :, :rank], head - times_matrix(weight[1, :, rank:], rest))
    return turned(pair, torch.cat((head, rest), dim=1), back=False).to(kept)


def low_rank_log_det(form: str, weight: Tensor, x: Tensor) -> Tensor:
    """log |det(I + U V)| at all pixels of x [B, n, *pixels] together: a number, in float32 at least."""
    pixels = math.prod(x.shape[2:])
    if form == "low_rank":
        size: Tensor = torch.linalg.slogdet(small_matrix(weight))[1]
        return pixels * size
    corner = diagonal_of(weight[1, :, : weight.shape[1]])
    return pixels * corner.to(torch.promote_types(corner.dtype, torch.float32)).abs().log().sum()


def dense_low_rank(form: str, weight: Tensor, tap: tuple[int, ...] = ()) -> Tensor:
    """I + U V itself, rounded: [n, n], or [n, n, 1, 1] of a kernel, which has a `tap`."""
    columns = torch.eye(weight.shape[-1], dtype=weight.dtype, device=weight.device)
    matrix = apply_low_rank(form, weight, columns).mT.to(weight.dtype)  # a batch of the unit vectors
    return matrix[..., None, None] if tap else matrix


def woodbury_form(pair: Tensor) -> tuple[Tensor, Tensor]:
    """(raw, sign) of the form `woodbury` of I + U V, `pair` [2, d, n] with U' and V; rounded into its set as
    `factorise` does it. In float64 inside."""
    rank = pair.shape[1]
    u, v = pair.detach().double()
    split = reflected(u.mT, rank)  # U = Q R
    rows = turned(mirrors(split), torch.triu(split[:rank]) @ v, back=True)  # R V Q
    corner, sign, _ = factorise("qr", (rows[:, :rank] + torch.eye(rank, dtype=u.dtype, device=u.device)).to(pair.dtype))
    first = torch.tril(split, -1).mT.to(pair.dtype)
    return torch.stack((first, torch.cat((corner, rows[:, rank:].to(pair.dtype)), dim=1))), sign


def pair_of(matrix: Tensor, rank: int) -> Tensor:
    """U' and V [2, rank, n] with I + U V nearest to a matrix [n, n, ...], by singular values. In float64 inside."""
    matrix = matrix.detach().flatten(1).double()
    left, sizes, right = torch.linalg.svd(matrix - torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device))
    root = sizes[:rank, None].sqrt()
    return torch.stack((root * left.mT[:rank], root * right[:rank]))


@torch.no_grad()
def low_rank_near_identity(pair: Tensor, std: float) -> None:
    """U and V normal with deviation `std`, in place; with 0 U has 0.01, so that gradients reach V."""
    pair.normal_(0.0, std or 0.01)
    if std == 0.0:
        pair[1] = 0.0


def effective_low_rank(layer: LayerLike, name: str) -> Tensor:
    """The effective value of a parameter, of a map with a rank I + U V. KeyError names the parameters there are."""
    form, tap = layer.forms.get(name, ("", ()))
    if form not in ("woodbury", "low_rank"):
        return effective_matrix(layer, name)
    return dense_low_rank(form, effective_value(layer, name), tap)


@torch.no_grad()
def set_effective_low_rank(layer: LayerLike, name: str, value: Tensor) -> None:
    """Store what gives a parameter this value, all or nothing: ValueError, with the reason, where its form cannot."""
    form, _ = layer.forms.get(name, ("", ()))
    if form not in ("woodbury", "low_rank"):
        return set_effective_matrix(layer, name, value)
    form = "raw" if form == "low_rank" else form
    store_effective(layer, name, value, effective_low_rank, functools.partial(refuse_matrix, name, form))
