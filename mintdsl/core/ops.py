"""The steps of a flow that hold no other steps."""

from __future__ import annotations

from typing import TypeAlias

from mintdsl.core.terms import Argument, Shape
from mintdsl.records import field, record
from mintdsl.source import Span


@record
class LogDet:
    """How the log-det of a layer is computed at a use: of which kind, "" where the use does not say it.

    `terms` of the series are always taken; 0 leaves their number to `bits`, the most that they may miss, in bits for
    each dimension. A roulette goes on with probability `keep`; 0 leaves that to the proof. Traces are estimated with
    `probes` random vectors; 0 for exact ones.
    """

    kind: str = ""
    terms: int = 0
    bits: float = 0.0
    keep: float = 0.0
    probes: int = 0
    span: Span = field(default=Span("", 0, 0), compare=False, repr=False)


SILENT = LogDet()


@record
class Use:
    """A layer or flow as a step; `definition` is its key in the program, `log_det` how that is computed, if it says.

    `inverted`: a layer in its inverse direction, so the step takes z to the x with f(x) = z.
    """

    definition: str
    args: tuple[tuple[str, Argument], ...]
    log_det: LogDet = SILENT
    inverted: bool = False


class Move:
    """A step that only moves entries: rule PERM."""

    __slots__ = ()


@record
class Squeeze(Move):
    """Space to channels; `undo` is unsqueeze. `layout` is colour_fast, colour_slow or alternate."""

    factor: int
    layout: str
    undo: bool


@record
class Permute(Move):
    """A permutation drawn from `seed`; `axis` says of what: the channels, the tokens ("time"), or all entries."""

    axis: str
    seed: int


@record
class Reverse(Move):
    """The reversed order; `axis` says of what: the channels, the tokens ("time"), or all entries."""

    axis: str


@record
class Transpose(Move):
    """Two axes exchanged, by their words in the shape that enters: `AXES` of the registry of steps."""

    first: str
    second: str


@record
class Flatten(Move):
    """An image or a sequence as a vector, row-major."""


@record
class Patches(Move):
    """An image as a sequence: each tile of `size` x `size` pixels is a token."""

    size: int


@record
class Logit:
    """Elementwise logit(alpha + (1 - 2 alpha) x)."""

    alpha: float


@record
class Dequantize:
    """Integers 0..levels-1 to the unit interval, with uniform noise."""

    levels: int


@record
class Standardize:
    """(x - mean) / std, one number or one a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@record
class StandardizeData:
    """(x - mean) / std, one of each a channel, estimated once from data."""


@record
class Pad:
    """Zero channels appended, `extra` of them: injective only."""

    extra: int


@record
class Classify:
    """A net on the last shape, trained by cross-entropy; no part of the bijection."""

    definition: str
    args: tuple[tuple[str, Argument], ...]


@record
class Prior:
    """The distribution of the latent; `per` says of a learned one what has numbers of its own: channel or element.

    `left` are the shapes of what left on the way without a prior of its own: it is the distribution of these as well.
    """

    name: str
    per: str = ""
    left: tuple[Shape, ...] = ()


Moves: TypeAlias = Squeeze | Permute | Reverse | Transpose | Flatten | Patches
Single: TypeAlias = Use | Moves | Standardize | StandardizeData | Pad | Classify | Logit | Dequantize | Prior
"""The steps that hold neither other steps nor nets with places."""
