"""The registries of words that structure a program: shapes, steps, priors, masks, structural functions."""

from __future__ import annotations

from mintdsl.core.options import Option, choice, nat, net
from mintdsl.records import record


@record
class StepInfo:
    """A built-in step of a flow."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    ready: bool = True


@record
class PriorInfo:
    """A distribution of the latent."""

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    ready: bool = True


SHAPES = {"Image": 3, "Vec": 1, "Seq": 2}
MASKS = ("channel", "halves", "strided", "checkerboard", "cyclic")
STRUCTURAL = ("split", "join", "spread", "pick", "concat", "mean_pool", "delay", "maxmin", "clip_swish", "cayley")
CONDITIONER_FUNCTIONS = ("s_log",)

LAYOUT = choice("layout", "colour_fast", "colour_slow", "alternate")
AXIS = choice("axis", "channel", "time", "all")
AXES = {"Image": ("channel", "height", "width"), "Seq": ("time", "channel")}
"""The words for the sizes of the shapes that have several."""
_WORDS = tuple(dict.fromkeys(word for words in AXES.values() for word in words))

_STEPS = (
    StepInfo("dequantize", "integers 0..n-1 to the unit interval, by uniform noise; first step only", (nat("levels"),)),
    StepInfo("logit", "logit(a + (1 - 2a) x)"),
    StepInfo("squeeze", "space to channels", (LAYOUT,)),
    StepInfo("unsqueeze", "channels to space", (LAYOUT,)),
    StepInfo("repeat", "copies of a block, each with its own parameters"),
    StepInfo("pair", "one lower and one upper layer of one order"),
    StepInfo("prior", "the distribution of the latent; last step only"),
    StepInfo("standardize", "(x - mean) / std with numbers, one or one a channel, or by `initialize(batch)`: `data`"),
    StepInfo("permute", "a fixed random permutation of an axis, or of all entries", (AXIS, nat("seed", 0))),
    StepInfo("reverse", "the reversed order of an axis, or of all entries", (AXIS,)),
    StepInfo(
        "transpose",
        "two axes exchanged: `transpose(channel, width)` of Image[C, H, W] is Image[W, H, C]",
        (Option("first", "choice", None, _WORDS), Option("second", "choice", None, _WORDS)),
    ),
    StepInfo("flatten", "Image or Seq to Vec, row-major"),
    StepInfo("patches", "Image to Seq: each tile of n x n pixels is a token"),
    StepInfo("pad", "append zero channels: injective only"),
    StepInfo("factor", "half of the values leave for the latent", (choice("keep", "first", "second"), net("prior"))),
    StepInfo("ode", "the flow of dz/dt = f(z, t), by a solver: `ode NET by dopri5(until = 1, tol = 1e-5)`"),
    StepInfo("classify", "a classifier's head, a net from the last shape; last step only"),
)
STEPS: dict[str, StepInfo] = {s.name: s for s in _STEPS}
CALLED = ("transpose",)
"""Steps whose names are no words of the grammar: a program may have a layer that is called so, which comes first."""

_PRIORS = (
    PriorInfo("normal", "independent standard normals"),
    PriorInfo("logistic", "independent standard logistics"),
    PriorInfo(
        "learned_normal", "independent normals, location and scale trained", (choice("per", "channel", "element"),)
    ),
)
PRIORS: dict[str, PriorInfo] = {p.name: p for p in _PRIORS}
