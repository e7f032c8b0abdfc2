"""What layers that are compositions of bijections share: log-dets of links, and matrices kept as factors."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from mintdsl.runtime.factors import dense_factors, refuse_matrix
from mintdsl.runtime.layer import effective_value, narrowed_by_autocast, set_effective_value, store_effective
from mintdsl.runtime.protocols import LayerLike


def no_log_det(x: Tensor) -> Tensor:
    """Zeros [B], to which the log-dets of links are added; float32 under autocast."""
    return torch.zeros(x.shape[0], dtype=torch.float32 if narrowed_by_autocast(x) else x.dtype, device=x.device)


def scaling_log_det(scale: Tensor | float, x: Tensor) -> Tensor | float:
    """log |det| of an elementwise factor on x [B, *event]: one number, or [B] where the factor has a batch axis."""
    if not isinstance(scale, Tensor):
        return math.prod(x.shape[1:]) * math.log(abs(scale))
    logs = scale.abs().log()
    return logs.expand(x.shape[1:]).sum() if scale.dim() < x.dim() else logs.expand(x.shape).flatten(1).sum(1)


def effective_matrix(layer: LayerLike, name: str) -> Tensor:
    """The effective value of a parameter, factors multiplied. KeyError names the parameters there are."""
    stored = effective_value(layer, name)
    form, tap = layer.forms.get(name, ("", ()))
    return dense_factors(form, stored, order_of(layer, name), tap) if form else stored


def order_of(layer: LayerLike, name: str) -> Tensor | None:
    """The order of the rows of a P L U."""
    found: Tensor | None = getattr(layer, f"{layer.members[layer.names.index(name)]}_order", None)
    return found


@torch.no_grad()
def set_effective_matrix(layer: LayerLike, name: str, value: Tensor) -> None:
    """Store what gives a parameter this value, all or nothing: ValueError, with the reason, where its form cannot."""
    form, _ = layer.forms.get(name, ("", ()))
    if form in ("", "raw"):
        return set_effective_value(layer, name, value)
    store_effective(layer, name, value, effective_matrix, functools.partial(refuse_matrix, name, form))
