"""Generated modules for the adapters, one that takes a context, and a dense Jacobian to hold stacks against."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

import mintdsl

LAYERS = """mint 1
layer A(tri: Dir) on Vec[D] ensures tri, invertible {
  param U : linear tri with diag > 0
  param V : linear tri with diag >= 0
  param b : bias
  map x -> U(x) + V(tanh(x)) + b
}
"""
PROGRAMS = {
    "reals": LAYERS
    + """
layer S on Vec[D] ensures invertible {
  param s : scale with diag != 0
  map x -> s * x
}
flow Reals on Vec[3] ensures invertible { repeat 2 { A(tri = lower)  S  A(tri = upper) }  prior normal }""",
    "images": """mint 1
import "mintnet/mint.mint" { MintPair }
flow Images on Image[1, 4, 4] ensures invertible {
  dequantize 8
  logit(0.05)
  MintPair(K = 2)
  squeeze 2
  MintPair(K = 1)
  prior normal
}""",
    "vector layer": LAYERS,
    "image layer": """mint 1
layer L on Image[C, H, W] ensures lower, invertible {
  param t : scale with diag >= 0.5
  param k : conv 3x3 lower with diag > 0
  map x -> t * x + elu(k(x))
}""",
    "no prior": LAYERS + "flow F on Vec[3] ensures invertible { A(tri = lower)  A(tri = upper) }",
    "injective": """mint 1
layer A on Vec[D] ensures injective { map x -> sigmoid(x) }
flow F on Vec[3] ensures injective { A  prior normal }""",
    "padded": """mint 1
layer L on Image[C, H, W] ensures lower, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
flow F on Image[1, 2, 2] { L  pad channels to 3  L }""",
    "batch norm": """mint 1
import "std/batch_norm.mint" { BatchNorm }
flow F on Vec[3] ensures invertible { BatchNorm  prior normal }""",
}
ARGUMENTS: dict[str, tuple[object, ...]] = {"vector layer": ((3,), "lower"), "image layer": ((2, 2, 3),)}
BIJECTIONS = ["reals", "images", "vector layer", "image layer", "no prior"]
DENSITIES = ["reals", "images"]


@cache
def class_of(name: str) -> type[nn.Module]:
    return mintdsl.loads(PROGRAMS[name]).compile()


def build(name: str, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The last definition of a program, in evaluation mode: initial weights and normal noise of a seed."""
    torch.manual_seed(seed)
    model = class_of(name)(*ARGUMENTS.get(name, ()), dtype=dtype).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, dtype=torch.float64).to(dtype))
    return model


def some(model: nn.Module, batch: int = 4, seed: int = 5, dtype: torch.dtype = torch.float64) -> Tensor:
    """Arguments of `forward` in (0, 1): inside every domain."""
    made = torch.Generator().manual_seed(seed)
    return (0.05 + 0.9 * torch.rand(batch, *model.event_shape, generator=made, dtype=torch.float64)).to(dtype)


def data(model: nn.Module, batch: int = 4) -> Tensor:
    """Arguments of `log_prob`: integers where the flow starts with dequantize."""
    x = some(model, batch)
    return (x * model.levels).long() if model.levels else x


def base_log_prob(z: Tensor) -> Tensor:
    """Standard normal log-density [B] in nats, written out."""
    return (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)


class Conditional(nn.Module):
    """z = exp(s(c)) * x + t(c): a module that keeps the contract of generated ones and takes a context."""

    event_shape = latent_shape = (3,)
    context_shape = (2,)
    levels, not_onto = 0, ""

    def __init__(self) -> None:
        super().__init__()
        made = torch.Generator().manual_seed(9)
        self.weight = nn.Parameter(torch.randn(2, 6, generator=made, dtype=torch.float64))

    def numbers(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        assert context is not None and context.shape == (*x.shape[:-1], 2)
        s, t = (context @ self.weight).chunk(2, -1)
        return torch.tanh(s), t

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        s, t = self.numbers(x, context)
        return s.exp() * x + t, s.sum(-1)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        s, t = self.numbers(z, context)
        return (z - t) * (-s).exp(), -s.sum(-1)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_det = self(x, context)
        return (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(-1) + log_det


def worst(found: Tensor, expected: Tensor) -> float:
    """The largest difference; shapes and dtypes have to agree."""
    assert found.shape == expected.shape and found.dtype == expected.dtype
    return float((found - expected).abs().max().detach()) if found.numel() else 0.0


def dense_log_det(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """log |det| [B] of the autograd Jacobian of a function of a batch, row by row."""
    found = []
    for row in x.detach():
        full = torch.autograd.functional.jacobian(lambda v: function(v[None])[0], row)
        found.append(torch.linalg.slogdet(full.reshape(row.numel(), row.numel()))[1])
    return torch.stack(found)


def losses(parameters: list[nn.Parameter], loss: Callable[[], Tensor], steps: int = 25) -> tuple[float, float]:
    """The loss before and after some steps of Adam."""
    optimizer = torch.optim.Adam(parameters, 0.02)
    first = float(loss().detach())
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return first, float(loss().detach())
