"""Extern nets: modules that the user gives to a constructor, and what has to be true of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


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
        raise TypeError(f"{who} takes an nn.Module, or a callable (sources, targets) that makes one; it was given {found}")
    if device is not None or dtype is not None:
        made = made.to(device=device, dtype=dtype)
    return made


def extern_places(model: nn.Module) -> list[nn.Module]:
    """The places in a model where modules stand that the user gave."""
    return [module for module in model.modules() if hasattr(module, "extern")]


def own_weights(model: nn.Module) -> None:
    """Every place of an extern net has weights of its own: ValueError where two share them."""
    owners: dict[int, nn.Module] = {}
    for place in extern_places(model):
        for parameter in place.parameters():
            other = owners.setdefault(id(parameter), place)
            if other is not place:
                names = " and ".join(dict.fromkeys(str(one.extern) for one in (other, place)))
                raise ValueError(
                    f"one module stands at several places of {type(model).__name__} ({names}), and would share its "
                    "weights among them: give a callable (sources, targets) that makes a new module each time"
                )


def one_function(model: nn.Module) -> None:
    """An inverse needs the function that forward used: RuntimeError where an extern net changes from call to call.

    That is so of dropout in training mode, and of batch normalisation by statistics of the batch.
    """
    for place in extern_places(model):
        for module in place.modules():
            drops = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0 and module.training
            norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
            if drops or (norm and (module.training or module.running_mean is None)):
                reason = "is random in training mode" if drops else "depends on the rest of the batch"
                advice = "call eval() first" if module.training else "let it track running statistics"
                raise RuntimeError(
                    f"{type(module).__name__} in {place.extern} {reason}, so there is no function to invert: {advice}"
                )


def given_results(
    results: object, x: Tensor, targets: tuple[tuple[int, ...], ...], who: str
) -> tuple[Tensor, ...]:
    """What a module gave for inputs of a batch as long as that of x, one floating tensor [B, *target] for each target.

    ValueError names the net, the line of the spec, and what is wrong.
    """
    found = results if isinstance(results, (tuple, list)) else (results,)
    if len(found) != len(targets):
        raise ValueError(f"{who} gives {len(found)} results, its spec promises {len(targets)}")
    checked: list[Tensor] = []
    for number, (result, target) in enumerate(zip(found, targets, strict=True), 1):
        what = who if len(targets) == 1 else f"result {number} of {who}"
        if not isinstance(result, Tensor):
            raise ValueError(f"{what} is a {type(result).__name__}, its spec promises a tensor")
        if tuple(result.shape[1:]) != target or result.dim() == 0 or result.shape[0] != x.shape[0]:
            shape = [x.shape[0], *target]
            raise ValueError(f"{what} has shape {list(result.shape)}, its spec promises {shape}")
        if not result.is_floating_point():
            raise ValueError(f"{what} has dtype {result.dtype}, but must be floating")
        checked.append(result)
    return tuple(checked)
