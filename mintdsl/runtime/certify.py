"""How near the norms of bounded maps come to their limits: what power iteration finds, and the bound from above."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mintdsl.runtime.families import family_conv
from mintdsl.runtime.layer import effective_value
from mintdsl.runtime.norms import Phases, column_sums, conv_norm_above, matrix_norm_above, row_sums, strided_norm_above


class CertifiedNorm(NamedTuple):
    """Of a map: `limit` is the c of `with lip <= c`, its norm of the order `norm` lies between `lower` and `upper`."""

    name: str
    limit: float
    lower: float
    upper: float
    norm: float = 2.0

    def __str__(self) -> str:
        what = {1.0: "1-norm", math.inf: "maximum norm"}.get(self.norm, "norm")
        return f"{self.name}: {self.lower:.6f} <= {what} <= {self.upper:.6f}, limit {self.limit:g}"


class NormLimit(NamedTuple):
    """Of a bounded map the c of `with lip <= c`; of a convolution the size of its images, its anchor and the rest;
    the order of its norm: 2, 1 or inf."""

    limit: float
    size: tuple[int, ...] = ()
    tap: tuple[int, ...] = ()
    dilation: tuple[int, int] = (1, 1)
    circular: bool = False
    stride: tuple[int, int] = (1, 1)
    norm: float = 2.0

    @property
    def axes(self) -> int:
        """How many axes the weight of one map has."""
        return 4 if len(self.tap) == 2 else 2

    def image(self, x: Tensor, weight: Tensor) -> Tensor:
        """What the map with this weight makes of x [B, n, *size]."""
        if self.axes == 2:
            return x @ weight.mT
        anchor = (self.tap[0], self.tap[1])
        return family_conv(x, weight, anchor, dilation=self.dilation, circular=self.circular, stride=self.stride)

    def sums(self, weight: Tensor) -> Tensor:
        """The sums of absolute values [*, n] whose largest is the 1-norm or the maximum norm, or above it."""
        if self.norm == math.inf:
            return row_sums(weight, self.axes).flatten(-self.axes)
        strided = self.axes == 4 and self.stride != (1, 1)
        phases = Phases((self.tap[0], self.tap[1]), self.dilation, self.stride) if strided else None
        return column_sums(weight, self.axes, phases).flatten(-self.axes)


@torch.no_grad()
def norm_below(weight: Tensor, of: NormLimit, steps: int = 50) -> float:
    """A lower bound of the norm of a map, weight [m, n], or [O, I, rows, columns] on images.

    The 2-norm that power iteration finds; else the sum of one row or column of its matrix, which has the largest sum
    of its weights, in the middle of the image.
    """
    wide = weight.detach().double()
    if of.norm != 2.0:
        return sum_of_one(wide, of)
    made = torch.Generator().manual_seed(0)
    x = torch.randn((1, wide.shape[1], *of.size), generator=made, dtype=torch.float64).to(wide.device)

    def image(v: Tensor) -> Tensor:
        return of.image(v, wide)

    for _ in range(steps):
        x = x / x.norm().clamp(min=1e-300)
        with torch.enable_grad():
            point = x.requires_grad_()
            y = image(point)
            (x,) = torch.autograd.grad(y, point, y.detach())
    x = x / x.norm().clamp(min=1e-300)
    return float(image(x).norm())


def sum_of_one(weight: Tensor, of: NormLimit) -> float:
    """The sum of absolute values of one row of the matrix of a map, or of one column (of each phase of a stride)."""
    place = int(of.sums(weight).argmax())
    x = weight.new_zeros((1, weight.shape[1], *of.size))
    if of.norm == math.inf:
        with torch.enable_grad():
            y = of.image(x.requires_grad_(), weight)
            entry = y[(0, place, *(n // 2 for n in y.shape[2:]))]
            (row,) = torch.autograd.grad(entry, x)
        return float(row.abs().sum())
    found, steps = 0.0, of.stride if of.size else ()
    for phase in itertools.product(*map(range, steps)):
        middle = (n // 2 // s * s + p for n, s, p in zip(of.size, steps, phase, strict=True))
        column = x.clone()
        column[(0, place, *middle)] = 1.0
        found = max(found, float(of.image(column, weight).abs().sum()))
    return found


def norm_above(weights: Tensor, of: NormLimit) -> Tensor:
    """The upper bound [*] of weights [*, m, n], or [*, O, I, rows, columns] on images."""
    if of.norm != 2.0:
        return of.sums(weights).amax(-1)
    if len(of.size) != 2:
        return matrix_norm_above(weights)
    if of.stride != (1, 1):
        return strided_norm_above(weights, of.size, (of.tap[0], of.tap[1]), of.dilation, of.stride)
    return conv_norm_above(weights, of.size, of.dilation if of.circular else None)


@torch.no_grad()
def certified_norms(module: nn.Module) -> list[CertifiedNorm]:
    """The bounded maps of the layers in a module, with their norms in its dtype; of a family the largest."""
    found = []
    for path, layer in module.named_modules():
        limits: dict[str, NormLimit] = getattr(layer, "limits", {})
        for name, of in limits.items():
            value = effective_value(layer, name).detach()
            maps = value.reshape(-1, *value.shape[-4 if of.size else -2 :])
            upper = norm_above(maps, of)
            lower = max(norm_below(one, of) for one in maps)
            found.append(CertifiedNorm(f"{path}.{name}".lstrip("."), of.limit, lower, float(upper.max()), of.norm))
    return found
