"""How near the norms of bounded maps come to their limits: what power iteration finds, and the bound from above."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mintdsl.runtime.families import family_conv
from mintdsl.runtime.layer import effective_value
from mintdsl.runtime.norms import conv_norm_above, matrix_norm_above, strided_norm_above


class CertifiedNorm(NamedTuple):
    """Of a map: `limit` is the c of `with lip <= c`, the 2-norm lies between `lower` and `upper`."""

    name: str
    limit: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.name}: {self.lower:.6f} <= norm <= {self.upper:.6f}, limit {self.limit:g}"


class NormLimit(NamedTuple):
    """Of a bounded map the c of `with lip <= c`; of a convolution the size of its images, its anchor and the rest."""

    limit: float
    size: tuple[int, ...] = ()
    tap: tuple[int, ...] = ()
    dilation: tuple[int, int] = (1, 1)
    circular: bool = False
    stride: tuple[int, int] = (1, 1)


@torch.no_grad()
def norm_below(weight: Tensor, of: NormLimit, steps: int = 50) -> float:
    """The 2-norm that power iteration finds, a lower bound; weight [m, n], or [O, I, rows, columns] on images."""
    wide = weight.detach().double()
    made = torch.Generator().manual_seed(0)
    x = torch.randn((1, wide.shape[1], *of.size), generator=made, dtype=torch.float64).to(wide.device)

    def image(v: Tensor) -> Tensor:
        if len(of.tap) != 2:
            return v @ wide.mT
        return family_conv(v, wide, of.tap, dilation=of.dilation, circular=of.circular, stride=of.stride)

    for _ in range(steps):
        x = x / x.norm().clamp(min=1e-300)
        with torch.enable_grad():
            point = x.requires_grad_()
            y = image(point)
            (x,) = torch.autograd.grad(y, point, y.detach())
    x = x / x.norm().clamp(min=1e-300)
    return float(image(x).norm())


def norm_above(weights: Tensor, of: NormLimit) -> Tensor:
    """The upper bound [*] of weights [*, m, n], or [*, O, I, rows, columns] on images."""
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
            found.append(CertifiedNorm(f"{path}.{name}".lstrip("."), of.limit, lower, float(upper.max())))
    return found
