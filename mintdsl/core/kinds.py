"""The registry of parameter kinds (`param NAME : KIND`)."""

from __future__ import annotations

from mintdsl.core.options import Option, choice, nat, pair, real, tap
from mintdsl.records import record


@record
class Kind:
    """A kind of parameter. `applied` kinds are maps, written `W(x)`; the others are values, written `t * x`."""

    name: str
    summary: str
    init: str
    applied: bool
    options: tuple[Option, ...] = ()
    spaces: tuple[str, ...] = ("Image", "Vec", "Seq", "Any")
    sized: bool = False
    directed: bool = False
    ready: bool = True
    nets: bool = False  # stands in nets only


RANK = Option("rank", "size", "full", ("full",))
ANCHORS = ("centre", "corner", "bottom_right", "bottom_left", "top_right", "top_left")

_ALL = (
    Kind("scale", "elementwise factor", "ones", False, (choice("per", "element", "channel"),)),
    Kind("bias", "added vector", "zeros", False, (choice("per", "channel", "element"),)),
    Kind(
        "conv",
        "convolution, zeros outside; with a direction it is masked by the layer's order, with a stride in nets only",
        "fan_in_uniform",
        True,
        (
            tap("anchor", *ANCHORS),
            choice("norm", "none", "weight"),
            pair("dilation", 1),
            pair("stride", 1),
            choice("boundary", "zero", "circular"),
            RANK,
        ),
        spaces=("Image",),
        sized=True,
        directed=True,
    ),
    Kind(
        "linear",
        "dense matrix; with a direction it is masked by the layer's order",
        "fan_in_uniform",
        True,
        (choice("norm", "none", "weight"), RANK),
        spaces=("Vec", "Seq"),
        directed=True,
    ),
    Kind("perm", "fixed permutation", "", True, (choice("axis", "channel", "time", "all"), nat("seed", 0))),
    Kind(
        "normalize",
        "(x - mean) / sqrt(var + eps) of running statistics",
        "",
        True,
        (choice("per", "channel"), real("eps", 1e-5, positive=True), real("momentum", 0.1)),
    ),
    Kind(
        "layer_norm",
        "(x - mean) / sqrt(var + eps) over the channels of a pixel or token, scaled and shifted; nets only",
        "",
        True,
        (real("eps", 1e-5, positive=True),),
        spaces=("Image", "Vec", "Seq"),
        nets=True,
    ),
    Kind(
        "attention",
        "multi-head attention between tokens; with a direction each reads those up to itself; nets only",
        "fan_in_uniform",
        True,
        (Option("heads", "size", 1),),
        spaces=("Seq",),
        directed=True,
        nets=True,
    ),
)

KINDS: dict[str, Kind] = {k.name: k for k in _ALL}
