"""What the helpers ask of a generated layer and of a generated flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn

from mintdsl.runtime.inverse import InverseInfo


class LayerLike(Protocol):
    """A layer: its map with weights passed in, where it stands, and how far its dependencies reach."""

    event_shape: tuple[int, ...]
    names: tuple[str, ...]
    members: tuple[str, ...]
    path: str
    training: bool
    fronts: int
    functional: tuple[int, ...]
    kept_weights: tuple[Tensor, ...] | None
    forms: dict[str, str]
    last_inverse: InverseInfo | None

    def value(self, x: Tensor, w: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]: ...
    def rests(self, x: Tensor, w: tuple[Tensor, ...]) -> tuple[Tensor, ...]: ...
    def fibre(self, s: Tensor, rests: tuple[Tensor, ...], w: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]: ...
    def slope_bound(self, w: tuple[Tensor, ...]) -> Tensor | None: ...
    def make_weights(self) -> tuple[Tensor, ...]: ...
    def effective_weights(self) -> tuple[Tensor, ...]: ...
    def raw(self, name: str, value: Tensor) -> dict[str, Tensor]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


class AssumingLike(Protocol):
    """A layer whose proof assumes that some diagonals are not 0: parameters by name, and the tap of their diagonal, or
    "det" where it assumes that of a determinant."""

    assumed: dict[str, tuple[int, ...] | str | None]
    names: tuple[str, ...]
    members: tuple[str, ...]
    path: str
    kept_weights: tuple[Tensor, ...] | None


class MaskedLike(Protocol):
    """A layer with masks, buffers that are not stored."""

    masks: tuple[str, ...]

    def make_masks(self) -> None: ...


class StatisticsLike(Protocol):
    """A layer with running statistics."""

    event_shape: tuple[int, ...]
    training: bool
    statistics: str


class FlowLike(Protocol):
    """A flow with a prior."""

    event_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]
    levels: int
    not_onto: str

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
