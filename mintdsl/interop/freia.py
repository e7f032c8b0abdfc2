"""Generated modules in FrEIA (0.2 or newer)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from FrEIA.modules import InvertibleModule
from torch import Tensor, nn

from mintdsl.interop.bijection import InteropError, bijective, to_data, to_latent

Dims = tuple[int, ...]
T = TypeVar("T")


class Bijection(InvertibleModule):
    """A generated layer or flow as an invertible module, for SequenceINN and for a Node of GraphINN.

        inn.append(Bijection, module=model)
        inn.append(Bijection, module=partial(Layer, tri="lower"))    # built for the shape that arrives

    forward takes a tuple of one tensor [B, *event_shape] and gives ((z,), jac [B]), z [B, *latent_shape]; rev=True
    goes back. jac is the log |det| of the direction called, and is there with jac=False too. A module with `given`
    takes one condition [B, *context_shape], others none. InteropError for a module without log-det, for other shapes
    and for conditions that do not fit, all but the batch's at construction.
    """

    def __init__(
        self,
        dims_in: Iterable[Dims],
        dims_c: Iterable[Dims] | None = None,
        *,
        module: nn.Module | Callable[[Dims], nn.Module],
    ) -> None:
        super().__init__(dims_in, dims_c)
        if not isinstance(module, nn.Module):
            module = module(tuple(only(self.dims_in, "takes one input")))
        self.module = bijective(module)
        self.output_dims(self.dims_in)
        found = [tuple(shape) for shape in self.dims_c]
        wanted = [] if self.module.context_shape is None else [tuple(self.module.context_shape)]
        if found != wanted:
            raise InteropError(f"{type(module).__name__} takes conditions of the shapes {wanted}, not {found}")

    def output_dims(self, input_dims: Sequence[Dims]) -> list[Dims]:
        """The shape of z, without the batch."""
        found = tuple(only(input_dims, "takes one input"))
        if found != tuple(self.module.event_shape):
            raise InteropError(f"{type(self.module).__name__} is on {self.module.event_shape}, not on {found}")
        return [tuple(self.module.latent_shape)]

    def forward(
        self, x_or_z: Iterable[Tensor], c: Iterable[Tensor] | None = None, rev: bool = False, jac: bool = True
    ) -> tuple[tuple[Tensor], Tensor]:
        """((z,), log |det dz/dx|), or with rev=True ((x,), log |det dx/dz|)."""
        conditions = list(c or ())
        context = only(conditions, "takes one condition") if conditions else None
        y, log_det = (to_data if rev else to_latent)(self.module, only(list(x_or_z), "takes one input"), context)
        return (y,), log_det


def only(items: Sequence[T], what: str) -> T:
    """The single item."""
    if len(items) != 1:
        raise InteropError(f"a generated module {what}, not {len(items)}")
    return items[0]
