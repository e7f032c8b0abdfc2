"""What data decide once: the scale and bias of a layer, the mean and deviation of `standardize`.

Until then they are pending. That is a buffer, so a state dict carries it. `forward` works meanwhile: it is a bijection
for every weight, it is what `initialize` runs, and it stays one graph without a look at the flag. Inverse, densities
and samples are refused, since what they give would change with the first batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mintdsl.runtime.batch import flatten_batch
from mintdsl.runtime.families import by_channel, channel_count
from mintdsl.runtime.flow import check_levels, numbers_of
from mintdsl.runtime.parametrise import bounded_exp, bounded_log, readable
from mintdsl.runtime.protocols import PendingLike
from mintdsl.runtime.statistics import frozen_statistics
from mintdsl.runtime.steps import dequantize


class FromData(NamedTuple):
    """The form of a layer that is affine in each element alone: names of its scale and bias, empty for none.

    `inside`: the bias comes before the scale. `divides`, `subtracts`: by the scale, the bias.
    """

    scale: str
    bias: str
    inside: bool
    divides: bool
    subtracts: bool


def pending_modules(model: nn.Module) -> list[PendingLike]:
    """Everything in `model` set by data, itself included, initialised or not."""
    return [m for m in model.modules() if hasattr(m, "pending")]  # type: ignore[misc]


def check_initialized(model: nn.Module) -> None:
    """RuntimeError where something still waits for data.

    Where the flags cannot be looked at (a graph is traced, meta or fake tensors), the test becomes a part of the graph.
    """
    found = pending_modules(model)
    flags = torch.stack([m.pending for m in found])
    if not readable(flags):
        if not flags.is_meta:
            torch._assert_async(~flags.any(), "not initialised from data: call model.initialize(batch) first")
    elif bool(flags.any()):
        first = found[int(flags.long().argmax())]
        who = first.path or type(first).__name__
        raise RuntimeError(f"{who} is not initialised from data: call model.initialize(batch) first")


@torch.no_grad()
def initialize_from_data(model: nn.Module, batch: Tensor, context: Tensor | None = None) -> None:
    """Set everything that is pending in `model` from a batch [*, *event_shape], each from what arrives at it.

    All or nothing: ValueError, and the model as it was, where a channel or element is constant, has fewer than 2 values
    or none that is finite, or where a constraint does not hold the scale. What is initialised already stays.
    """
    waiting = [m for m in pending_modules(model) if bool(m.pending)]
    if not waiting:
        return
    for module in model.modules():
        if hasattr(module, "statistics"):
            frozen_statistics(module)  # type: ignore[arg-type]
    levels = getattr(model, "levels", 0)
    if levels:
        check_levels(batch, levels)
        batch = dequantize(batch, levels, numbers_of(model).dtype)  # type: ignore[arg-type]
    stored = [t for m in waiting for t in (*m.parameters(recurse=False), *m.buffers(recurse=False))]
    kept = [(t, t.clone()) for t in stored]
    hooks = [m.register_forward_pre_hook(set_before_forward) for m in waiting]
    try:
        model(batch, context)
    except BaseException:
        for tensor, value in kept:
            tensor.copy_(value)
        raise
    finally:
        for hook in hooks:
            hook.remove()


def set_before_forward(module: nn.Module, args: tuple[Tensor, ...]) -> None:
    """A hook: set the module from its argument, then let it run."""
    pending: PendingLike = module  # type: ignore[assignment]
    x, _ = flatten_batch(args[0], pending.event_shape, "batch", type(module).__name__)
    pending.set_from_batch(x)
    pending.pending.fill_(False)


def set_affine(layer: PendingLike, how: FromData, x: Tensor) -> None:
    """Give a layer the scale and bias with which its values of x [B, *event_shape] have mean 0 and deviation 1.

    Both per what the parameter is per; the deviation divides by the number of values. Computed in float64.
    """
    who, wide, digits = layer.path or type(layer).__name__, x.double(), torch.finfo(x.dtype).eps
    factor = torch.ones_like(wide[:1])
    bias_axes = axes_of(layer, how.bias)
    if how.scale:
        centred = wide - moments(wide, bias_axes, who)[0] if how.bias else wide
        shape = layer.effective(how.scale).shape
        deviation = deviations(centred, wide, axes_of(layer, how.scale), who, digits)
        layer.set_effective(how.scale, (deviation if how.divides else 1.0 / deviation).reshape(shape))
        kept = layer.effective(how.scale).double()  # as it is stored: rounded
        kept = kept if kept.shape == wide.shape[1:] else by_channel(kept, layer.event_shape)
        factor = (1.0 / kept if how.divides else kept).expand_as(wide[:1])
    if how.bias:
        shift = -moments(factor * wide, bias_axes, who)[0]
        if how.inside:
            shift = shift / factor.mean(bias_axes, keepdim=True)
        shape = layer.effective(how.bias).shape
        layer.set_effective(how.bias, (-shift if how.subtracts else shift).reshape(shape))


def axes_of(layer: PendingLike, name: str) -> tuple[int, ...]:
    """The axes of [B, *event_shape] along which a scale or bias is one number; all but the channel's without a name."""
    rank = len(layer.event_shape)
    if name and tuple(layer.effective(name).shape) == tuple(layer.event_shape):
        return (0,)
    return tuple(axis for axis in range(rank + 1) if axis != (2 if rank == 2 else 1))


def moments(x: Tensor, axes: tuple[int, ...], who: str) -> tuple[Tensor, Tensor]:
    """Mean and deviation along `axes`, which stay with size 1. ValueError for fewer than 2 values, or infinite ones."""
    count = math.prod(x.shape[axis] for axis in axes)
    if count < 2:
        each = "element" if axes == (0,) and x.dim() > 2 else "channel"
        raise ValueError(f"{who}: {count} value{'s' * (count != 1)} of each {each}; to initialise takes at least 2")
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    if not bool(torch.isfinite(variance).all()):
        raise ValueError(f"{who}: {place_of(~torch.isfinite(variance), axes)} of what arrives is not finite")
    return mean, variance.sqrt()


def deviations(x: Tensor, arriving: Tensor, axes: tuple[int, ...], who: str, digits: float) -> Tensor:
    """Deviations along `axes`. ValueError for what is constant up to the rounding of `arriving`, which x comes from."""
    deviation = moments(x, axes, who)[1]
    constant = deviation <= 8.0 * digits * arriving.abs().amax(axes, keepdim=True)
    if bool(constant.any()):
        raise ValueError(f"{who}: {place_of(constant, axes)} is constant in this batch: no scale gives it deviation 1")
    return deviation


def place_of(found: Tensor, axes: tuple[int, ...]) -> str:
    """The first place that is True, in words; of [1, *event_shape], with size 1 along `axes`."""
    place = [int(i) for i in torch.nonzero(found)[0]]
    if axes == (0,) and len(place) > 2:
        return f"element {place[1:]}"
    return f"channel {place[next(axis for axis in range(len(place)) if axis not in axes)]}"


class DataStandardize(nn.Module):
    """(x - mean) / std by channel, with the mean and deviation of the data that `initialize` got.

    The deviation is kept as its logarithm: whatever is loaded, it is positive.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.event_shape, self.path = tuple(shape), ""
        for name in ("mean", "log_std"):
            self.register_buffer(name, torch.empty(channel_count(self.event_shape), device=device, dtype=dtype))
        self.register_buffer("pending", torch.empty((), device=device, dtype=torch.bool))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """The identity, until data come."""
        self.get_buffer("mean").zero_()
        self.get_buffer("log_std").zero_()
        self.get_buffer("pending").fill_(True)

    def numbers(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation, ready to meet [B, *event_shape]."""
        std = bounded_exp(self.get_buffer("log_std"))
        return by_channel(self.get_buffer("mean"), self.event_shape), by_channel(std, self.event_shape)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The standardised x [B, *event_shape], and log |det| [B]."""
        mean, std = self.numbers()
        return (x - mean) / std, -std.log().expand(x.shape[1:]).sum().expand(x.shape[0])

    def inverse(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        tol: float | None = None,
        max_iter: int | None = None,
        fixed: tuple[int, float] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """x with forward(x) = z, and log |det| of this direction [B]."""
        check_initialized(self)
        mean, std = self.numbers()
        return z * std + mean, std.log().expand(z.shape[1:]).sum().expand(z.shape[0])

    def set_from_batch(self, x: Tensor) -> None:
        """Take mean and deviation of x [B, *event_shape], each channel's. ValueError where a channel is constant."""
        rank, wide = len(self.event_shape), x.double()
        axes = tuple(axis for axis in range(rank + 1) if axis != (2 if rank == 2 else 1))
        who = self.path or type(self).__name__
        std = deviations(wide, wide, axes, who, torch.finfo(x.dtype).eps)
        self.get_buffer("mean").copy_(moments(wide, axes, who)[0].flatten())
        self.get_buffer("log_std").copy_(bounded_log(std, "the deviation").flatten())
