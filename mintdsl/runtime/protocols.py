"""What the helpers ask of a generated layer and of a generated flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from torch import Tensor, nn
from torch.distributions import Distribution
from torch.utils.hooks import RemovableHandle

from mintdsl.runtime.inverse import InverseInfo
from mintdsl.runtime.trace_series import TraceSeries


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
    forms: dict[str, tuple[str, tuple[int, ...]]]
    last_inverse: InverseInfo | None

    def value(self, x: Tensor, w: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]: ...
    def rests(self, x: Tensor, w: tuple[Tensor, ...]) -> tuple[Tensor, ...]: ...
    def fibre(self, s: Tensor, rests: tuple[Tensor, ...], w: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]: ...
    def slope_bound(self, w: tuple[Tensor, ...]) -> Tensor | None: ...
    def make_weights(self) -> tuple[Tensor, ...]: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def effective_weights(self) -> tuple[Tensor, ...]: ...
    def raw(self, name: str, value: Tensor) -> dict[str, Tensor]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


class ResidualLike(Protocol):
    """A residual sum f; `contraction` bounds the Lipschitz constant of x - f(x) / divisor, in the norm of this order;
    `log_det` is its kind."""

    event_shape: tuple[int, ...]
    context_shape: tuple[int, ...] | None
    path: str
    contraction: float
    divisor: float
    norm_order: float
    log_det: str | TraceSeries
    last_inverse: InverseInfo | None

    def value(self, x: Tensor, w: tuple[Tensor, ...]) -> Tensor: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def effective_weights(self) -> tuple[Tensor, ...]: ...


class CayleyLike(Protocol):
    """A Cayley map (I - g)(I + g)^-1 of its branch g, whose Lipschitz constant `contraction` bounds, in the norm of
    this order."""

    event_shape: tuple[int, ...]
    context_shape: tuple[int, ...] | None
    path: str
    contraction: float
    norm_order: float
    log_det: str | TraceSeries
    last_forward: InverseInfo | None
    last_inverse: InverseInfo | None

    def branch(self, x: Tensor, w: tuple[Tensor, ...]) -> Tensor: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def effective_weights(self) -> tuple[Tensor, ...]: ...


class ExternLike(Protocol):
    """The place of an extern net: the user's module, what it is called, and what it takes and promises."""

    module: nn.Module
    extern: str
    sources: tuple[tuple[int, ...], ...]
    targets: tuple[tuple[int, ...], ...]


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


class PendingLike(Protocol):
    """A layer or step with numbers that data decide once; `pending` says that they are still missing."""

    event_shape: tuple[int, ...]
    path: str
    pending: Tensor

    def set_from_batch(self, x: Tensor) -> None: ...
    def effective(self, name: str) -> Tensor: ...
    def set_effective(self, name: str, value: Tensor) -> None: ...
    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...
    def buffers(self, recurse: bool = True) -> Iterator[Tensor]: ...
    def register_forward_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle: ...


class PriorLike(Protocol):
    """The distribution of a latent."""

    shape: tuple[int, ...]

    def log_prob(self, z: Tensor) -> Tensor: ...
    def draw(self, lead: tuple[int, ...], like: Tensor) -> Tensor: ...
    def distribution(self, like: Tensor) -> Distribution: ...


class MapLike(Protocol):
    """A bijection."""

    event_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...


class FlowLike(Protocol):
    """A flow with a prior."""

    @property
    def prior(self) -> PriorLike: ...

    event_shape: tuple[int, ...]
    latent_shape: tuple[int, ...]
    context_shape: tuple[int, ...] | None
    levels: int
    not_onto: str

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
    def buffers(self) -> Iterator[Tensor]: ...
