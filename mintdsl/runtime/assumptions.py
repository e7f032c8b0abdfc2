"""What a proof assumes of stored numbers (`via raw`): diagonals, or determinants, that are finite and not 0.

Nothing enforces it, so it is tested: when weights are loaded or set, and before each inverse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mintdsl.runtime.circulant import spectrum
from mintdsl.runtime.families import diagonal_of
from mintdsl.runtime.parametrise import readable
from mintdsl.runtime.protocols import AssumingLike


class AssumptionError(ValueError):
    """A number that a proof assumes to be finite and not 0 is not. Carries its facts as fields; pickles.

    `what` is diag, or det, whose number is the least singular value over the largest; of a circular kernel `element` is
    the frequency (rows, columns).
    """

    def __init__(
        self, layer: str, parameter: str, element: tuple[int, ...], value: float, which: str, what: str = "diag"
    ) -> None:
        super().__init__(layer, parameter, element, value, which, what)
        self.layer, self.parameter, self.element, self.value, self.which = layer, parameter, element, value, which
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.layer}: the proof assumes that {self.what}({self.parameter}) is finite and not 0; "
            f"the {self.which} one is {self.value!r} at {list(self.element)}"
        )


class DetAt(NamedTuple):
    """In the place of a tap: what is assumed is the determinant of a kernel's matrix there."""

    row: int
    column: int


class CircularDet(NamedTuple):
    """In the place of a tap: what is assumed is the determinant of a circular kernel at every frequency of an image."""

    anchor: tuple[int, int]
    dilation: tuple[int, int]
    image: tuple[int, int]


def assume_nonzero(layer: str, parameter: str, diagonal: Tensor, which: str = "stored", what: str = "diag") -> None:
    """AssumptionError for the entry of `diagonal` that is nearest to 0, or not finite, if one breaks the assumption.

    Where the numbers cannot be looked at (a graph is traced, meta or fake tensors), the test becomes a part of the
    graph, and a RuntimeError says the same.
    """
    diagonal = diagonal.detach()
    finite = torch.isfinite(diagonal)
    holds = finite & (diagonal != 0)
    if not readable(holds):
        if not holds.is_meta:
            torch._assert_async(holds.all(), f"{layer}: the proof assumes that {what}({parameter}) is finite and not 0")
    elif not bool(holds.all()):
        worst = torch.where(finite, diagonal.abs(), -1.0).argmin()
        element = tuple(int(i) for i in torch.unravel_index(worst, diagonal.shape))
        raise AssumptionError(layer, parameter, element, float(diagonal.flatten()[worst]), which, what)


def regularity(value: Tensor, tap: tuple[int, ...] = (0, 0)) -> Tensor:
    """Of matrices, or kernels at a tap, the least singular value over the largest; 0 where rounding alone may have made
    it, so that the matrix may be singular, and NaN where an entry is not finite."""
    matrix = value.detach().double()
    matrix = matrix[..., tap[0], tap[1]] if matrix.dim() == 4 else matrix
    finite = torch.isfinite(matrix).all(-1).all(-1)
    sizes = torch.linalg.svdvals(torch.where(finite[..., None, None], matrix, 0.0))
    ratio = sizes[..., -1] / sizes[..., 0].clamp(min=torch.finfo(torch.float64).tiny)
    ratio = torch.where(ratio > matrix.shape[-1] * torch.finfo(value.dtype).eps, ratio, 0.0)
    return torch.where(finite, ratio, math.nan)


def circular_regularity(value: Tensor, at: CircularDet) -> Tensor:
    """The same of a circular kernel, at each frequency [H, W // 2 + 1], over the largest singular value of them all."""
    kernel = value.detach().double()
    finite = torch.isfinite(kernel).all()
    sizes = torch.linalg.svdvals(spectrum(torch.where(finite, kernel, 0.0), *at))
    ratio = sizes[..., -1] / sizes[..., 0].amax().clamp(min=torch.finfo(torch.float64).tiny)
    ratio = torch.where(ratio > kernel[0].numel() * torch.finfo(value.dtype).eps, ratio, 0.0)
    return torch.where(finite, ratio, math.nan)


def low_rank_regularity(value: Tensor) -> Tensor:
    """The same of I + U V, `value` [2, d, n] with U' and V: the least singular value of I + V U over the largest norm
    that its sum has on the way, |U| |V|, since rounding is relative to that."""
    finite = torch.isfinite(value).all()
    pair = torch.where(finite, value.detach().double(), 0.0)
    sizes = pair.norm(dim=(1, 2), keepdim=True).clamp(min=1.0)
    u, v = pair / sizes
    eye = torch.eye(len(u), dtype=u.dtype, device=u.device) / sizes.prod()
    ratio = torch.linalg.svdvals(eye + v @ u.mT)[-1]
    ratio = torch.where(ratio > value.shape[-1] * torch.finfo(value.dtype).eps, ratio, 0.0)
    return torch.where(finite, ratio, math.nan)


def word_of(tap: tuple[int, ...] | str | None) -> str:
    """What is assumed not to be 0: the determinant, or the diagonal at this tap."""
    return "det" if isinstance(tap, str | DetAt | CircularDet) else "diag"


def diagonal_at(value: Tensor, tap: tuple[int, ...] | str | None) -> Tensor:
    """The diagonal of a parameter: of a kernel at its anchor `tap`, of a matrix (), or the value itself (None); for
    "det", "low_rank", a DetAt or a CircularDet, how far from singular it is."""
    if isinstance(tap, CircularDet):
        return circular_regularity(value, tap)
    if isinstance(tap, DetAt):
        return regularity(value, tap)
    if isinstance(tap, str):
        return low_rank_regularity(value) if tap == "low_rank" else regularity(value)
    return value if tap is None else diagonal_of(value, tap)


def check_assumptions(model: nn.Module) -> None:
    """Test what the proofs of all layers in `model` assume. AssumptionError names layer, parameter and element."""
    layers: list[AssumingLike] = [m for m in model.modules() if hasattr(m, "assumed")]  # type: ignore[misc]
    for layer in layers:
        for name, tap in layer.assumed.items():
            place = layer.names.index(name)
            kept = layer.kept_weights
            value = getattr(layer, layer.members[place]) if kept is None else kept[place]
            assume_nonzero(layer.path or type(layer).__name__, name, diagonal_at(value, tap), what=word_of(tap))


def check_state(model: nn.Module, state: Mapping[str, object], prefix: str, metadata: object) -> None:
    """The same test of a state dict before anything of it is copied, so that a refused one leaves no trace.

    Values count as what they become in the dtype of the model, unless `metadata` says that they are assigned.
    """
    assign = isinstance(metadata, dict) and bool(metadata.get("assign_to_params_buffers"))
    named = model.named_modules(prefix=prefix.rstrip("."))
    layers: list[tuple[str, AssumingLike]] = [(p, m) for p, m in named if hasattr(m, "assumed")]
    for path, layer in layers:
        for name, tap in layer.assumed.items():
            member = layer.members[layer.names.index(name)]
            value, own = state.get(f"{path}.{member}" if path else member), getattr(layer, member)
            if isinstance(value, Tensor) and value.shape == own.shape:  # torch says what is missing or does not fit
                value = value.detach() if assign else value.detach().to(own.dtype)
                assume_nonzero(path or type(layer).__name__, name, diagonal_at(value, tap), "loaded", word_of(tap))


@contextmanager
def checking_assumptions(model: nn.Module) -> Iterator[nn.Module]:
    """Inside, `model.checks` is set: densities test the assumptions too."""
    before = model.checks
    model.checks = True  # type: ignore[assignment]
    try:
        yield model
    finally:
        model.checks = before
