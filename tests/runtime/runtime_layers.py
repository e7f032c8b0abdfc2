"""Hand-made layers for the solver tests, written from the papers' equations and independent of any generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from mintdsl.runtime.activations import (
    Activation,
    elu_slope,
    elu_value,
    leaky_relu_slope,
    leaky_relu_value,
    relu_slope,
    relu_value,
)
from mintdsl.runtime.inverse import TriangularMap

ELU = Activation(elu_value, elu_slope, 1.0, "elu")
LEAKY = Activation(lambda v: leaky_relu_value(v, 0.1), lambda v: leaky_relu_slope(v, 0.1), 1.0, "leaky")
RELU = Activation(relu_value, relu_slope, 1.0, "relu")


def loop_mask(channels: int, upper: bool) -> Tensor:
    """MintNet's channel-major 3x3 mask, entry by entry: earlier channels whole, the same channel up to the centre."""
    mask = torch.zeros(channels, channels, 3, 3, dtype=torch.bool)
    for o in range(channels):
        for i in range(channels):
            for u in range(3):
                for v in range(3):
                    output, read = (o, 0, 0), (i, u - 1, v - 1)
                    mask[o, i, u, v] = output <= read if upper else output >= read
    return mask


class MintLayer:
    """t x + sum_i W3_i h(sum_j W2_ij h(W1_j x + b1_j) + b2_i) + b3, W2's centre tied; hidden channel k C + c."""

    def __init__(self, shape: tuple[int, int, int], K: int, std: float, t: float, h: Activation = ELU, **kw: object):
        C, H, W = shape
        self.shape, self.K, self.h = shape, K, h
        self.upper = bool(kw.get("upper", False))
        seed = kw.get("seed", 0)
        assert isinstance(seed, int)
        made = torch.Generator().manual_seed(seed)

        def draw(*size: int) -> Tensor:
            return std * torch.randn(*size, generator=made, dtype=torch.float64)

        self.raw = {
            "W1": draw(K, C, C, 3, 3),
            "W2": draw(K, K, C, C, 3, 3),
            "W3": draw(K, C, C, 3, 3),
            "b1": draw(K * C),
            "b2": draw(K * C),
            "b3": draw(C),
            "t": torch.full(shape, t, dtype=torch.float64),
        }
        # longest path for nine off-channel taps (rules.md 7), and its functional as front number
        self.fronts = 4 * (C - 1) + 2 * (H - 1) + W
        c, y, x = torch.meshgrid(torch.arange(C), torch.arange(H), torch.arange(W), indexing="ij")
        number = 4 * c + 2 * y + x + 1
        self.front = self.fronts + 1 - number if self.upper else number

    def map(self, dtype: torch.dtype = torch.float64, raw: dict[str, Tensor] | None = None) -> TriangularMap:
        C, K = self.shape[0], self.K
        p = {key: value.to(dtype) for key, value in (raw or self.raw).items()}
        kept = loop_mask(C, self.upper).to(dtype)
        centre = torch.zeros_like(kept)
        centre[:, :, 1, 1] = torch.eye(C, dtype=dtype)

        def diagonal(w: Tensor) -> Tensor:
            return w[..., 1, 1].diagonal(dim1=-2, dim2=-1)

        d1, d3 = diagonal(p["W1"]), diagonal(p["W3"])  # [K, C]
        d2 = diagonal(p["W2"]).abs() * d3.sign()[:, None] * d1.sign()[None]  # [K, K, C]
        off = kept - centre
        w1 = (p["W1"] * off).reshape(K * C, C, 3, 3)
        w2 = (p["W2"] * off).transpose(1, 2).reshape(K * C, K * C, 3, 3)
        w3 = (p["W3"] * off).transpose(0, 1).reshape(C, K * C, 3, 3)
        t, h = p["t"], self.h

        def fold(a: Tensor) -> Tensor:
            return a.flatten(1, 2)

        def split(a: Tensor) -> Tensor:
            return a.unflatten(1, (K, C))

        def own(s: Tensor) -> Tensor:
            return d1[..., None, None] * s[:, None]

        def rests(x: Tensor) -> tuple[Tensor, ...]:
            r1 = F.conv2d(x, w1, p["b1"], padding=1)
            u = h.value(split(r1) + own(x))
            r2 = F.conv2d(fold(u), w2, p["b2"], padding=1)
            v = h.value(split(r2) + torch.einsum("ijc,bjchw->bichw", d2, u))
            return r1, r2, F.conv2d(fold(v), w3, p["b3"], padding=1)

        def fibre(s: Tensor, others: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            r1, r2, r3 = others
            a = split(r1) + own(s)
            c = split(r2) + torch.einsum("ijc,bjchw->bichw", d2, h.value(a))
            y = t * s + r3 + torch.einsum("ic,bichw->bchw", d3, h.value(c))
            through = torch.einsum("ijc,bjchw->bichw", d2, h.slope(a) * d1[..., None, None])
            return y, t + torch.einsum("ic,bichw->bchw", d3, h.slope(c) * through)

        return TriangularMap(
            value=lambda x: fibre(x, rests(x)),
            rests=rests,
            fibre=fibre,
            slope_bound=lambda: t + torch.einsum("ic,ijc,jc->c", d3.abs(), d2.abs(), d1.abs())[:, None, None],
            promote=lambda dtype: self.map(dtype, raw),
        )


def chain_map(
    scalar: Callable[[Tensor], tuple[Tensor, Tensor]], gain: float, bound: float | None = None
) -> TriangularMap:
    """y_p = scalar(x_p) + gain * x_(p-1) on vectors: any scalar monotone map made into a triangular layer."""

    def rests(x: Tensor) -> tuple[Tensor, ...]:
        return (gain * F.pad(x, (1, 0))[..., :-1],)

    def fibre(s: Tensor, others: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        y, slope = scalar(s)
        return y + others[0], slope

    return TriangularMap(
        value=lambda x: fibre(x, rests(x)),
        rests=rests,
        fibre=fibre,
        slope_bound=lambda: None if bound is None else torch.tensor(bound),
        promote=lambda dtype: chain_map(scalar, gain, bound),
    )
