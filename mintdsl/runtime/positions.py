"""Masked nets position by position, each weight used once: what inverses by substitution are made of.

A result of such a net reads positions before its own only. So an inverse knows everything that position k reads when it
gets there, and the net is evaluated there alone: the rows of position k, on the columns of the positions known so far.
A position is an element of a Vec with its hidden units, or a token of a Seq.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mintdsl.runtime.nets import Attention, as_wide_as


class Units(NamedTuple):
    """The units of a Vec in the order of their positions: the k-th one has sizes[k] of them, ends[k] are before it."""

    order: Tensor
    sizes: list[int]
    ends: tuple[int, ...]


class Positions(NamedTuple):
    """The `number` positions of an event, which become known from the first on, or from the last."""

    number: int
    ascending: bool

    @property
    def places(self) -> range:
        """Where they are, in the order in which they become known."""
        return range(self.number) if self.ascending else range(self.number - 1, -1, -1)

    def units(self, size: int, like: Tensor, *, hidden: bool) -> Units:
        """`size` elements, as many at each position, or hidden units: unit k has degree 1 + k mod (number - 1)."""
        ranks = torch.arange(size, device=like.device) % max(self.number - 1, 1)
        if not hidden:
            ranks = ranks.new_tensor(list(self.places)).repeat_interleave(size // self.number)
        sizes: list[int] = ranks.bincount(minlength=self.number).tolist()
        return Units(ranks.argsort(stable=True), sizes, (0, *itertools.accumulate(sizes)))


BLOCK = 8  # positions that share a product with all before them


class MaskedRows:
    """Masked matrices [out, in] of one argument, applied at one position after the other; what is added, [out] or
    [B, out], starts their sums. Values at a position are [its units, B].

    A block of positions starts with one product for all that was known before it, which is fast; what the positions of
    a block add to each other is small. In the product of a position, entries of positions that are not known yet are 0.
    """

    def __init__(
        self, weights: Sequence[Tensor], added: Sequence[Tensor | None], units: tuple[Units, Units], like: Tensor
    ) -> None:
        outputs, inputs = units
        self.stack = len(weights)
        rows = [w.index_select(0, outputs.order).index_select(1, inputs.order) for w in weights]
        more = [
            rows[0].new_zeros(len(outputs.order)) if a is None else a.index_select(-1, outputs.order) for a in added
        ]
        size = max(a.dim() for a in more)  # 2 where a context is in what is added
        starts = [a.T if a.dim() > 1 else a[:, None].expand(-1, len(like) if size > 1 else 1) for a in more]
        places, sizes = (outputs.order.new_tensor(t) for t in (range(len(outputs.sizes)), outputs.sizes))
        together = places.repeat_interleave(sizes).repeat(self.stack).argsort(stable=True)  # by position
        self.weight, self.added = (t[0] if len(t) == 1 else torch.cat(t)[together] for t in (rows, starts))
        self.sizes = [self.stack * size for size in outputs.sizes]
        self.ends = [self.stack * end for end in outputs.ends]
        self.inputs = inputs
        self.known = like.new_zeros((len(inputs.order), len(like)))
        self.parts = self.known.split_with_sizes(inputs.sizes)  # views: what is put into one is known
        self.block = self.known
        self.rows: tuple[Tensor, ...] = ()
        self.before: tuple[Tensor, ...] = ()

    def put(self, k: int, value: Tensor) -> None:
        """The argument at the k-th position."""
        self.parts[k].copy_(value)

    def at(self, k: int) -> Tensor:
        """The result there, of what was put so far; positions come in their order."""
        place = k % BLOCK
        if place == 0:
            sizes = self.sizes[k : k + BLOCK]
            start, end = self.inputs.ends[k], self.inputs.ends[k + len(sizes)]
            some = slice(self.ends[k], self.ends[k + len(sizes)])
            rows = self.weight[some]
            self.before = torch.addmm(self.added[some], rows[:, :start], self.known[:start]).split_with_sizes(sizes)
            self.rows, self.block = rows[:, start:end].split_with_sizes(sizes), self.known[start:end]
        return torch.addmm(self.before[place], self.rows[place], self.block)

    def each(self, k: int) -> tuple[Tensor, ...]:
        """The same where there are several matrices, for each of them."""
        return self.at(k).chunk(self.stack)

    def through(self, k: int, value: Tensor) -> Tensor:
        """Put the argument, and give the result."""
        self.parts[k].copy_(value)
        return self.at(k)


class FixedUnits:
    """What does not depend on the variable, [n] or [B, n], at one position after the other: [its units, 1 or B]."""

    def __init__(self, value: Tensor, units: Units) -> None:
        ordered = value.index_select(-1, units.order)
        self.parts = torch.split(ordered.T if value.dim() > 1 else ordered[:, None], units.sizes)

    def at(self, k: int) -> Tensor:
        """Its units there."""
        return self.parts[k]


class FixedTokens:
    """What does not depend on the variable, [D] for all tokens, [T, D] or [B, T, D]."""

    def __init__(self, value: Tensor, positions: Positions) -> None:
        self.value, self.places = value, positions.places

    def at(self, k: int) -> Tensor:
        """The k-th token."""
        return self.value if self.value.dim() < 2 else self.value.select(-2, self.places[k])


class AttentionRows:
    """Causal attention, one token after the other: keys and values of those known so far are kept."""

    def __init__(self, module: Attention, positions: Positions, like: Tensor) -> None:
        self.heads = module.heads
        self.weights = as_wide_as(like, (module.query, module.key, module.value, module.out))
        width = module.query.shape[0]
        shape = (like.shape[0], module.heads, positions.number, width // module.heads)
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)

    def through(self, k: int, x: Tensor) -> Tensor:
        """The result [B, width] at the k-th token, whose argument is x [B, width]."""
        query, key, value, out = self.weights
        split = (x.shape[0], self.heads, 1, x.shape[1] // self.heads)
        q, self.keys[:, :, k], self.values[:, :, k] = (
            (x @ query.T).reshape(split),
            (x @ key.T).reshape(split)[:, :, 0],
            (x @ value.T).reshape(split)[:, :, 0],
        )
        scores = q @ self.keys[:, :, : k + 1].transpose(-2, -1) / math.sqrt(split[-1])
        mixed = scores.softmax(-1) @ self.values[:, :, : k + 1]
        return mixed.reshape(x.shape) @ out.T


class DelayedRows:
    """The token before, zeros before the first one."""

    def __init__(self, channels: int, like: Tensor) -> None:
        self.before = like.new_zeros((like.shape[0], channels))

    def put(self, k: int, value: Tensor) -> None:
        """The argument [B, D] at the k-th token."""
        self.before = value

    def at(self, k: int) -> Tensor:
        """What was put last."""
        return self.before


def chain_at(nets: Sequence[nn.Module], k: int, memories: Sequence[tuple[object, ...]], x: Tensor) -> Tensor:
    """The nets of a chain at the k-th position, the first one first."""
    for net, memory in zip(nets, memories, strict=True):
        (x,) = net.at(k, memory, x)  # type: ignore[operator]  # a generated net
    return x
