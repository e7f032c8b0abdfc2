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
        """`size` elements of the data, one a position, or hidden units: unit k has degree 1 + k mod (number - 1)."""
        ranks = [k % max(self.number - 1, 1) for k in range(size)] if hidden else list(self.places)
        order = sorted(range(size), key=ranks.__getitem__)
        sizes = [0] * self.number
        for rank in ranks:
            sizes[rank] += 1
        return Units(torch.tensor(order, device=like.device), sizes, (0, *itertools.accumulate(sizes)))


class MaskedRows:
    """A masked matrix [out, in], applied at one position after the other."""

    def __init__(self, weight: Tensor, units: tuple[Units, Units], strict: bool, like: Tensor) -> None:
        outputs, inputs = units
        ordered = weight.index_select(0, outputs.order).index_select(1, inputs.order)
        self.rows = torch.split(ordered, outputs.sizes)
        self.known = like.new_zeros((like.shape[0], weight.shape[1]))
        self.parts = torch.split(self.known, inputs.sizes, 1)  # views: what is put into one is known
        self.seen = inputs.ends if strict else inputs.ends[1:]

    def put(self, k: int, value: Tensor) -> None:
        """The argument [B, its units] at the k-th position."""
        self.parts[k].copy_(value)

    def at(self, k: int) -> Tensor:
        """The result [B, its units] there, of what was put before it, and at it unless the mask is strict."""
        seen = self.seen[k]
        return nn.functional.linear(self.known.narrow(1, 0, seen), self.rows[k].narrow(1, 0, seen))

    def through(self, k: int, value: Tensor) -> Tensor:
        """Put the argument, and give the result."""
        self.parts[k].copy_(value)
        return self.at(k)


class FixedUnits:
    """What does not depend on the variable, [n] or [B, n], at one position after the other."""

    def __init__(self, value: Tensor, units: Units) -> None:
        self.parts = torch.split(value.index_select(-1, units.order), units.sizes, -1)

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
