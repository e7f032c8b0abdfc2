"""Mixtures of logistics a third time: logits are never made into weights, since their sum cancels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def value(x: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """The logit of the distribution function at x."""
    logits, means, log_scales = parts
    z = (x.unsqueeze(-1) - means) / log_scales.clamp(-16, 16).exp()
    none = torch.zeros_like(z)
    below, above = logits - torch.logaddexp(none, -z), logits - torch.logaddexp(none, z)
    return torch.logsumexp(below, -1) - torch.logsumexp(above, -1)


def steepest(parts: Sequence[Tensor]) -> Tensor:
    """A bound of all slopes: v (1 - v) is concave, so F' is at most F (1 - F) over the least scale."""
    return 1 / parts[2].clamp(-16, 16).amin(-1).exp()


def sizes(x: Tensor, y: Tensor, parts: Sequence[Tensor], steepest: Tensor) -> Tensor:
    """The numbers that were added up, of which rounding takes a share."""
    logits, means, _ = parts
    return 1 + y.abs() + logits.abs().amax(-1) + steepest * (x.abs() + means.abs().amax(-1))
