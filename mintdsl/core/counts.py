"""How many numbers parameters hold."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from mintdsl.core import ir
from mintdsl.core.orders import Order


class Counts(NamedTuple):
    """Numbers of parameters: all that are stored, and those that a mask lets through; of layers; of all steps."""

    stored: int
    live: int
    modules: int
    steps: int = 0

    def __add__(self, other: object) -> Counts:
        assert isinstance(other, Counts)
        stored, live, modules, steps = (a + b for a, b in zip(self, other, strict=True))
        return Counts(stored, live, modules, steps)

    def times(self, n: int) -> Counts:
        """n copies."""
        return Counts(self.stored * n, self.live * n, self.modules * n, self.steps * n)


Sizes = tuple[int, ...]


def prior_counts(sizes: Sizes, per: str, left: Iterable[Sizes]) -> Counts:
    """The location and log-scale of a learned prior, also of what `left` before; the others have no parameters."""
    parts = (sizes, *left)
    channels = sum(part[-1] if len(part) == 2 else part[0] for part in parts if part)
    own = {"element": sum(map(prod, parts)), "channel": channels, "": 0}
    numbers = 2 * own[per]
    return Counts(numbers, numbers, 0, 1)


def count(param: ir.Param, kind: ir.MapKind, source: Sizes, target: Sizes, order: Order | None, live: int) -> Counts:
    """Numbers of one parameter; `live` are those that the mask of a convolution keeps."""
    match kind:
        case ir.Normalize() | ir.Perm():
            return Counts(0, 0, 0)  # statistics and permutations are buffers
        case ir.LayerNorm():
            n = 2 * (target[0] if len(target) == 3 else target[-1])
            return Counts(n, n, 0)
        case ir.Attention():
            return Counts(4 * target[-1] ** 2, 4 * target[-1] ** 2, 0)
        case ir.Elementwise(per=per):
            n = 1
            channel = target[-1:] if param.target.kind == "Seq" else target[:1]
            for d in target if per == "element" else channel:
                n *= d
            fixed = param.bound is not None and param.bound.cmp == "== 1"
            return Counts(n, 0 if fixed else n, 0)
        case ir.Conv() as conv:
            rows, columns = conv.size
            stored = target[0] * source[0] * rows * columns + conv.norm * target[0]
            if conv.direction is None or order is None:
                return Counts(stored, _free(param, source[0], stored), 0)
            return Counts(stored, live - _fixed(param, source[0]), 0)
        case ir.Dense() as dense:
            stored = target[-1] * source[-1] + dense.norm * target[-1]
            if dense.direction is None or order is None:
                return Counts(stored, _free(param, source[-1], stored), 0)
            n = source[-1]
            later = order.compare((1,) * 1) if len(order.rows[0]) == 1 else 0
            off = n * (n - 1) // 2 if later else 0
            return Counts(stored, off + (0 if dense.strict else n) - _fixed(param, n), 0)


def low_rank_count(param: ir.Param, rank: int, n: int) -> Counts:
    """Of U [n, rank] and V [rank, n]; reflections leave a triangle unused."""
    stored = 2 * rank * n
    unused = rank * (rank + 1) // 2 if param.bound is not None and param.bound.via == "woodbury" else 0
    return Counts(stored, stored - unused, 0)


def _free(param: ir.Param, n: int, stored: int) -> int:
    """Of `stored` numbers of an unmasked map those that count; triangles and reflections leave some of n n unused."""
    if not param.factored or param.bound is None:
        return stored
    half, others = n * (n - 1) // 2, stored - n * n  # those of other taps are free
    unit = {"unit_lower": half, "unit_upper": half, "householder": half, "dominant": half}
    used = unit.get(param.bound.via, half + n if param.bound.via in ("lower", "upper") else n * n)
    return others + used


def _fixed(param: ir.Param, diagonal: int) -> int:
    return diagonal if param.bound is not None and param.bound.cmp == "== 1" else 0
