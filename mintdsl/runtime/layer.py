"""What every generated layer shares: its inverse, its effective weights, frozen weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from mintdsl.runtime.implicit import implicit_gradient
from mintdsl.runtime.inverse import TriangularMap, all_finite, authors_inversion, invert_triangular
from mintdsl.runtime.protocols import CayleyLike, LayerLike, ResidualLike
from mintdsl.runtime.schedule import front_numbers


def proved_for(who: str, values: tuple[object, ...], cases: tuple[tuple[object, ...], ...]) -> None:
    """Activations, orders and numbers are part of the proof: others than the spec uses are refused."""
    if values not in cases:
        proved = " or ".join(", ".join(map(str, case)) for case in cases)
        raise ValueError(
            f"{who} is proved for {proved} only, not for {', '.join(map(str, values))}: check it in the spec"
        )


def narrowed_by_autocast(x: Tensor) -> bool:
    """Whether x has 16 bits because autocast is on; a model of 16 bits keeps them."""
    narrow = x.dtype in (torch.float16, torch.bfloat16)
    return narrow and x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)


def log_det_of(diagonal: Tensor, *, signed: bool = False) -> Tensor:
    """log det [B] of a triangular Jacobian from its positive diagonal [B, *event]; float32 under autocast.

    log |det| where the diagonal is `signed`.
    """
    batch, same = diagonal.shape[0], diagonal.stride(0) == 0  # for every sample
    diagonal = diagonal[:1] if same else diagonal
    if narrowed_by_autocast(diagonal):
        diagonal = diagonal.float()
    log_det = (diagonal.abs() if signed else diagonal).log().flatten(1).sum(1)
    return log_det.repeat(batch) if same else log_det


def log_abs_det(diagonal: Tensor) -> Tensor:
    """log |det| [B], where the diagonal may be negative."""
    return log_det_of(diagonal, signed=True)


@contextmanager
def frozen_weights(model: nn.Module) -> Iterator[nn.Module]:
    """Inside, masked and tied weights are computed once and kept. Parameter gradients are refused meanwhile."""
    with kept_weights(with_weights(model)):
        yield model


def with_weights(model: nn.Module | LayerLike | ResidualLike | CayleyLike) -> list[LayerLike]:
    """The layers and nets in a model, itself first if it is one."""
    return [m for m in model.modules() if hasattr(m, "make_weights")]  # type: ignore[misc]


@contextmanager
def kept_weights(layers: Sequence[LayerLike]) -> Iterator[None]:
    """Inside, these layers and nets have the weights that they have now, without gradients."""
    before = [layer.kept_weights for layer in layers]
    try:
        with torch.no_grad():
            for layer, kept in zip(layers, before, strict=True):
                layer.kept_weights = tuple(t.detach() for t in layer.make_weights()) if kept is None else kept
        yield
    finally:
        for layer, kept in zip(layers, before, strict=True):
            layer.kept_weights = kept


def layer_weights(layer: LayerLike) -> tuple[Tensor, ...]:
    """The effective weights of a layer, computed now or kept by frozen_weights."""
    kept = layer.kept_weights
    if kept is None:
        return layer.make_weights()
    if torch.is_grad_enabled() and layer.training and any(p.requires_grad for p in layer.parameters()):
        raise RuntimeError("inside frozen() weights have no gradients: call eval(), or use torch.no_grad()")
    return kept


def triangular_map(layer: LayerLike, weights: tuple[Tensor, ...], context: Tensor | None = None) -> TriangularMap:
    """The layer with these weights and the context [B, *context_shape], as the solver sees it."""
    w = with_context(weights, context)

    def promote(dtype: torch.dtype) -> TriangularMap:
        wide = tuple(t.to(dtype) for t in weights)
        return triangular_map(layer, wide, None if context is None else context.to(dtype))

    def rows(index: Tensor) -> TriangularMap:
        return triangular_map(layer, weights, None if context is None else context[index])

    return TriangularMap(
        value=lambda x: layer.value(x, w),
        rests=lambda x: layer.rests(x, w),
        fibre=lambda s, rests: layer.fibre(s, rests, w),
        slope_bound=lambda: layer.slope_bound(w),
        promote=promote,
        rows=None if context is None else rows,
    )


def with_context(weights: tuple[Tensor, ...], context: Tensor | None) -> tuple[Tensor, ...]:
    """What the methods of a layer get besides x: its weights, then its context, if it has one."""
    return weights if context is None else (*weights, context)


def invert_layer(
    layer: LayerLike,
    z: Tensor,
    tol: float | None,
    max_iter: int | None,
    sign: float | None,
    context: Tensor | None = None,
    start: Callable[[Tensor, tuple[Tensor, ...]], Tensor] | None = None,
    affine: bool = False,
) -> tuple[Tensor, Tensor]:
    """x [B, *event] with f(x) = z, tested, and -log |det df/dx| there [B]; gradients by the implicit function theorem.

    `sign` is the sign of the diagonal, None where the weights decide it. `start` gives the x to begin with, of z and of
    the weights and context, in float32 at least; it is z without one. `affine`: f is an affine map and `start` its
    inverse, so that the derivative of `start` begins the solve for gradients. Raises InversionError.
    """
    w, name = layer.effective_weights(), layer.path or type(layer).__name__
    with torch.no_grad(), kept_weights(with_weights(layer)[1:]):  # those of its nets; its own are w
        x, diagonal, layer.last_inverse = invert_triangular(
            triangular_map(layer, w, context),
            z,
            start=None if start is None else started(start, z, with_context(w, context)),
            fronts=layer.fronts,
            name=name,
            sign=signs_of(layer, z, w, context) if sign is None else sign,
            front_of=lambda: front_numbers(layer.functional, layer.event_shape, z.device),
            tol=tol,
            max_iter=max_iter,
            newton=layer.fronts > 1,
        )
    if torch.is_grad_enabled() or not bool(torch.isfinite(layer.last_inverse.residual).all()):
        given = with_context(w, context)
        begin = partial(transposed_start, start, given) if affine and start is not None else None
        x = implicit_gradient(triangular_map(layer, w, context), x, z, fronts=layer.fronts, name=name, begin=begin)
        return x, -log_abs_det(layer.value(x, with_context(w, context))[1])
    return x, -log_abs_det(diagonal).to(torch.float32 if narrowed_by_autocast(z) else z.dtype)


def started(
    start: Callable[[Tensor, tuple[Tensor, ...]], Tensor], z: Tensor, given: tuple[Tensor, ...]
) -> Tensor | None:
    """The x that a solver begins with, in float32 at least; None where there is nothing to solve."""
    if not z.shape[0] or not all_finite(z):
        return None
    with torch.autocast(z.device.type, enabled=False):
        wide = torch.promote_types(z.dtype, torch.float32)
        return start(z.to(wide), tuple(t.to(wide) for t in given))


def transposed_start(
    start: Callable[[Tensor, tuple[Tensor, ...]], Tensor], given: tuple[Tensor, ...], g: Tensor
) -> Tensor:
    """J^-T g, shaped as g, where `start` is the inverse of an affine map with Jacobian J."""
    wide = torch.promote_types(g.dtype, torch.float32)
    with torch.enable_grad(), torch.autocast(g.device.type, enabled=False):
        anywhere = torch.zeros_like(g, dtype=wide, requires_grad=True)
        x = start(anywhere, tuple(t.detach().to(wide) for t in given))
    return torch.autograd.grad(x, anywhere, g.to(wide))[0].to(g.dtype)


def signs_of(layer: LayerLike, z: Tensor, w: tuple[Tensor, ...], context: Tensor | None) -> Tensor | float:
    """The signs of the diagonal [*event]; the context does not change them: they are constant to the proof."""
    if not z.shape[0]:
        return 1.0
    one = with_context(w, None if context is None else context[:1])
    return layer.value(torch.zeros_like(z[:1]), one)[1].sign()[0]


def invert_affine(layer: LayerLike, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The inverse of a layer that is affine in each element alone: (z - f(0)) / slope, and log |det| [B]."""
    shift, slope = layer.value(torch.zeros_like(z), with_context(layer.effective_weights(), context))
    return (z - shift) / slope, -log_abs_det(slope.expand_as(z))


def fixed_inverse(
    layer: LayerLike, z: Tensor, steps: int, divisor: float, context: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The authors' inversion: `steps` damped steps of Algorithm 1, untested, and -log |det| at the result."""
    w = with_context(layer.effective_weights(), context)
    x = authors_inversion(lambda v: layer.value(v, w), z, steps, divisor)
    return x, -log_abs_det(layer.value(x, w)[1])


def effective_value(layer: LayerLike, name: str) -> Tensor:
    """The masked, tied and constrained value of a parameter. KeyError names the parameters there are."""
    if name not in layer.names:
        raise KeyError(f"{type(layer).__name__} has no parameter {name!r}; it has {', '.join(layer.names)}")
    return layer.effective_weights()[layer.names.index(name)]


@torch.no_grad()
def set_effective_value(layer: LayerLike, name: str, value: Tensor) -> None:
    """Store the raw tensor that gives a parameter this value. All or nothing: ValueError when the value is not allowed.

    Values outside a constraint's set, or not 0 under the mask, are refused, never moved. A factor bound by a tie keeps
    its magnitude and follows the signs of the others.
    """

    def refuse(wanted: Tensor, got: Tensor) -> None:
        if not bool(torch.isclose(got, wanted, rtol=64 * torch.finfo(wanted.dtype).eps, atol=0.0).all()):
            worst = float((got - wanted).abs().max())
            raise ValueError(
                f"{name} cannot hold this value: an entry is masked, tied or out of range (off by {worst:.3g})"
            )

    store_effective(layer, name, value, effective_value, refuse)


@torch.no_grad()
def store_effective(
    layer: LayerLike,
    name: str,
    value: Tensor,
    effective: Callable[[LayerLike, str], Tensor],
    refuse: Callable[[Tensor, Tensor], None],
) -> None:
    """Store raw tensors that give `effective` this value; all as before where refuse(wanted, got) raises ValueError."""
    before = effective(layer, name)
    value = torch.as_tensor(value, dtype=before.dtype, device=before.device)
    if value.shape != before.shape:
        raise ValueError(f"{name} has shape {list(before.shape)}, not {list(value.shape)}")
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"{name} must be finite")
    raws = layer.raw(name, value)
    kept = {key: getattr(layer, key).detach().clone() for key in raws}
    for key, raw in raws.items():
        getattr(layer, key).copy_(raw)
    try:
        refuse(value, effective(layer, name))
    except ValueError:
        for key, raw in kept.items():
            getattr(layer, key).copy_(raw)
        raise
