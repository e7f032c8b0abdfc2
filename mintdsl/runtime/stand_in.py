"""A module for an extern net where nobody gives one: what tests and `mint verify` put in its place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

HIDDEN = 4


def stand_ins(cls: type[nn.Module]) -> dict[str, type[StandIn]]:
    """Arguments of the constructor of a generated class: a stand-in for each extern net in it."""
    return dict.fromkeys(getattr(cls, "externs", ()), StandIn)


class StandIn(nn.Module):
    """tanh(write tanh(read x)), x all inputs one after the other: each number of each result reads all of them.

    `sources` and `targets` are the shapes of inputs and results without the batch. The same seed gives the same
    weights, whatever else draws random numbers; `core/interpret_extern.py` is the same in plain numbers.
    """

    def __init__(self, sources: tuple[tuple[int, ...], ...], targets: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.sources, self.targets = sources, targets
        self.read = nn.Parameter(torch.empty(HIDDEN, sum(map(math.prod, sources))))
        self.write = nn.Parameter(torch.empty(sum(map(math.prod, targets)), HIDDEN))
        self.reset_parameters()

    def reset_parameters(self, seed: int = 0) -> None:
        """Normal weights that keep the deviation of what they read."""
        made = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in (self.read, self.write):
                drawn = torch.randn(weight.shape, generator=made, dtype=torch.float64)
                weight.copy_(drawn / math.sqrt(weight.shape[1]))

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """A tensor [B, *target] for each of `targets`, of one [B, *source] for each of `sources`."""
        x = torch.cat([one.flatten(1) for one in inputs], 1)
        y = torch.tanh(torch.tanh(x @ self.read.T) @ self.write.T)
        parts = torch.split_with_sizes(y, [math.prod(target) for target in self.targets], 1)
        results = tuple(part.reshape(-1, *target) for part, target in zip(parts, self.targets, strict=True))
        return results[0] if len(results) == 1 else results
