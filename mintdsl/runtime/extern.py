"""Extern nets: modules that the user gives to a constructor, and what has to be true of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mintdsl.runtime.protocols import ExternLike


def given_module(
    given: nn.Module | Callable[..., nn.Module],
    who: str,
    sources: tuple[tuple[int, ...], ...],
    targets: tuple[tuple[int, ...], ...],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Module:
    """The module behind an extern net: what was given, or what it makes of the shapes of inputs and results.

    It is moved to `device` and `dtype` where these are not None. TypeError where there is no module.
    """
    made = given if isinstance(given, nn.Module) or not callable(given) else given(sources, targets)
    if not isinstance(made, nn.Module):
        found = f"{type(given).__name__}" if made is given else f"a callable that makes {type(made).__name__}"
        raise TypeError(
            f"{who} takes an nn.Module, or a callable (sources, targets) that makes one; it was given {found}"
        )
    if device is not None or dtype is not None:
        made = made.to(device=device, dtype=dtype)
    return made


def extern_places(model: nn.Module) -> list[ExternLike]:
    """The places in a model where modules stand that the user gave; those modules are not searched."""
    found: list[ExternLike] = []
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if hasattr(module, "extern"):
            found.append(module)  # type: ignore[arg-type]
        else:
            waiting.extend(module.children())
    return found


def own_weights(model: nn.Module) -> None:
    """Every place of an extern net has weights of its own: ValueError where two share them."""
    owners: dict[int, ExternLike] = {}
    for place in extern_places(model):
        for weight in (*place.module.parameters(), *place.module.buffers()):
            other = owners.setdefault(id(weight), place)
            if other is not place:
                names = " and ".join(dict.fromkeys(one.extern for one in (other, place)))
                raise ValueError(
                    f"one module stands at several places of {type(model).__name__} ({names}), and would share its "
                    "weights among them: give a callable (sources, targets) that makes a new module each time"
                )


def one_function(model: nn.Module) -> None:
    """An inverse needs the function that forward used: RuntimeError where an extern net changes from call to call.

    That is so of dropout in training mode, and of batch normalisation by statistics of the batch.
    """
    for place in extern_places(model):
        for module in place.module.modules():
            drops = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0 and module.training
            norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
            if drops or (norm and (module.training or module.running_mean is None)):
                reason = "is random in training mode" if drops else "depends on the rest of the batch"
                advice = "call eval() first" if module.training else "let it track running statistics"
                raise RuntimeError(
                    f"{type(module).__name__} in {place.extern} {reason}, so there is no function to invert: {advice}"
                )


def given_results(place: ExternLike, *inputs: Tensor) -> tuple[Tensor, ...]:
    """What the module makes of inputs [B, *source]: one floating tensor [B, *target] for each target.

    Where the inputs hold more digits than its parameters it gets as many as those: an inverse solves in float64 when
    it has to, and the function has to be that of forward. ValueError names the net, the line of the spec, and what is
    wrong with a result.
    """
    count, dtype = inputs[0].shape[0], inputs[0].dtype
    own = next((p.dtype for p in place.module.parameters() if p.is_floating_point()), dtype)
    narrower = torch.promote_types(own, dtype) != own
    results = place.module(*(x.to(own) for x in inputs)) if narrower else place.module(*inputs)
    found = results if isinstance(results, (tuple, list)) else (results,)
    if len(found) != len(place.targets):
        raise ValueError(f"{place.extern} promises {len(place.targets)} results, its module gave {len(found)}")
    for number, (result, target) in enumerate(zip(found, place.targets, strict=True), 1):
        who = place.extern if len(found) == 1 else f"{place.extern}, result {number},"
        if not isinstance(result, Tensor):
            raise ValueError(f"{who} promises a tensor, its module gave a {type(result).__name__}")
        if tuple(result.shape) != (count, *target):
            shape = [count, *target]
            raise ValueError(f"{who} promises shape {shape}, its module gave {list(result.shape)}")
        if not result.is_floating_point():
            raise ValueError(f"{who} promises floating numbers, its module gave {result.dtype}")
    return tuple(result.to(dtype) for result in found) if narrower else tuple(found)
