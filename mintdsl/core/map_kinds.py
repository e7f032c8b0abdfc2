"""The kinds of parameters that are maps, or numbers, of their own: all but nets."""

from __future__ import annotations

from typing import Literal, TypeAlias

from mintdsl.core.nat import Nat
from mintdsl.core.terms import Direction
from mintdsl.records import record


@record
class Elementwise:
    """A scale or a bias; `per` is "element" or "channel"."""

    kind: str
    per: str


Anchor: TypeAlias = tuple[int, int] | Literal["corner"]
"""Row and column of the tap that meets the pixel itself; `corner` where a formal says the direction that it follows."""


@record
class Conv:
    """`size` (rows, columns), `direction` None when unmasked.

    `norm`: the weight of each output channel is a length of its own times a direction. `dilation`: how many rows and
    columns lie between neighbouring taps. `circular`: what lies outside is the other side of the image, not zeros; it
    has no direction, and is never set of a 1x1 kernel, which reads nothing outside. `rank`: it is I + U V, of that many
    columns of U; a 1x1 kernel then. `stride`: the pixel that output (h, w) meets is (rows h, columns w); in nets, and
    neither with a direction nor circular.
    """

    size: tuple[int, int]
    anchor: Anchor
    direction: Direction | None
    strict: bool
    norm: bool = False
    dilation: tuple[int, int] = (1, 1)
    circular: bool = False
    rank: Nat | None = None
    stride: tuple[int, int] = (1, 1)


@record
class Dense:
    """A matrix, of each token on Seq; `direction` None when unmasked, `norm` and `rank` as of a convolution."""

    direction: Direction | None
    strict: bool
    norm: bool = False
    rank: Nat | None = None


@record
class Normalize:
    """(x - mean) / sqrt(var + eps) per channel, of running statistics; a map of its own only in evaluation."""

    eps: float
    momentum: float


@record
class Perm:
    """A fixed permutation along `axis` (channel, time or all), drawn from `seed` as that of a `permute` step."""

    axis: str
    seed: int


@record
class LayerNorm:
    """(x - mean) / sqrt(var + eps) over the channels of each pixel or token, times a scale, plus a shift; nets only."""

    eps: float


@record
class Attention:
    """Multi-head attention between tokens; with a direction none reads those after (lower) or before (upper) it."""

    heads: Nat
    direction: Direction | None


MapKind: TypeAlias = Elementwise | Conv | Dense | Normalize | Perm | LayerNorm | Attention
Ready: TypeAlias = LayerNorm | Attention
"""Kinds that are modules of their own, with tensors of their own."""
