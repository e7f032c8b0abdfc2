"""The registry of initialisations (`init NAME(...)`); they set effective values."""

from __future__ import annotations

from mintdsl.core.options import Option, real
from mintdsl.records import record


@record
class Init:
    """One initialisation; `maps` says whether it needs a map's fans (conv, linear)."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    maps: bool = False
    ready: bool = True


_ALL = (
    Init("zeros", "all zero"),
    Init("ones", "all one"),
    Init("identity", "the identity map", maps=True),
    Init("near_identity", "the identity map plus normal noise", (real("std", 0.02),), maps=True),
    Init("normal", "normal with mean 0", (real("std", 1.0),)),
    Init("xavier_normal", "normal, deviation gain * sqrt(2 / (fan_in + fan_out))", (real("gain", 1.0),), maps=True),
    Init(
        "fan_in_uniform",
        "uniform within 1 / sqrt(fan_in); `of` names the map whose fan counts",
        (Option("of", "param", ""),),
    ),
    Init("orthogonal", "a random orthogonal matrix, at the anchor of a kernel", maps=True),
    Init("from_data", "of a scale and a bias, set by initialize(batch): the result has mean 0 and deviation 1"),
)

INITS: dict[str, Init] = {i.name: i for i in _ALL}
