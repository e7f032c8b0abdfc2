"""What layers that are compositions of bijections share: log-dets of links, and matrices kept as factors."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor, nn

from mintdsl.runtime.factors import dense_factors, refuse_matrix
from mintdsl.runtime.inverse import InversionError, relative_residual
from mintdsl.runtime.layer import effective_value, narrowed_by_autocast, set_effective_value, store_effective
from mintdsl.runtime.parametrise import readable
from mintdsl.runtime.protocols import LayerLike


def no_log_det(x: Tensor) -> Tensor:
    """Zeros [B], to which the log-dets of links are added; float32 under autocast."""
    return torch.zeros(x.shape[0], dtype=torch.float32 if narrowed_by_autocast(x) else x.dtype, device=x.device)


@torch.no_grad()
def check_solution(layer: nn.Module, x: Tensor, z: Tensor, tol: float | None, *context: Tensor | None) -> None:
    """InversionError unless f(x) = z to `tol`, max |f(x) - z| / (1 + |z|) of each sample, for x, z [B, *event].

    A solve by substitution ends after the last front, one of a dominant kernel after its last step, whatever rounding
    made of it; where a matrix is nearly singular that may be anything. Without a `tol` half of the digits have to be
    right, 16 bits as 32. Not in graphs.
    """
    if not readable(x) or not x.numel():
        return
    precision = torch.finfo(torch.promote_types(z.dtype, torch.float32)).eps
    tol = max(math.sqrt(precision), 32.0 * torch.finfo(z.dtype).eps) if tol is None else tol
    with torch.autocast(z.device.type, enabled=False):
        y = layer(x, *context)[0].to(z.dtype)
    residual = relative_residual(y, z)
    if bool((residual > tol).any()):
        sample = int(residual.argmax())
        misfit = ((y - z).abs() / (1.0 + z.abs()))[sample].nan_to_num(math.inf)
        element = tuple(int(i) for i in torch.unravel_index(misfit.argmax(), misfit.shape))
        reason = "the inverse is lost in rounding: a matrix of the layer is nearly singular, or numbers are too large"
        name = str(getattr(layer, "path", "")) or type(layer).__name__
        raise InversionError(name, sample, element, float(residual[sample]), tol, "the last link", reason)


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
