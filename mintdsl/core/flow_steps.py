"""The steps that the language has built in: logit, dequantize, standardize, pad, factor, prior; moves stand apart.

Each gives the step and the shape that it leaves, or reports why it cannot stand there.
"""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core import ir
from mintdsl.core.flow_moves import Made, move
from mintdsl.core.flow_uses import Resolve
from mintdsl.core.nat import Nat
from mintdsl.core.net_params import factor_prior
from mintdsl.core.option_values import bind_options
from mintdsl.core.scope import unknown
from mintdsl.core.steps import PRIORS, STEPS
from mintdsl.core.values import Stop, Values, not_yet
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.syntax import ast

DATA = "data"


def simple(op: ast.Simple, step: ast.Step, shape: ir.Shape, flow: ast.Flow, values: Values) -> Made | None:
    """A step that is one word and its options."""
    match op.word:
        case "squeeze" | "unsqueeze" | "permute" | "reverse" | "transpose" | "flatten" | "patches":
            return move(op, step, shape, flow, values)
        case "logit":
            return _logit(op, shape, values)
        case "dequantize":
            return _dequantize(op, shape, values)
        case "standardize":
            return _standardize(op, step, shape, values)
        case _:
            not_yet(values.bag, step.span, f"the step `{op.word}`")


def _dequantize(op: ast.Simple, shape: ir.Shape, values: Values) -> Made | None:
    assert op.value is not None
    levels = values.whole(op.value)
    if levels is not None and not 2 <= levels <= 2**24:
        values.bag.error("E0209", op.value.span, f"`dequantize {levels}`: levels go from 2 to 2^24", "number of levels")
        return None
    return None if levels is None else (ir.Dequantize(levels), shape)


def _standardize(op: ast.Simple, step: ast.Step, shape: ir.Shape, values: Values) -> Made | None:
    found: dict[str, tuple[float, ...]] = {}
    estimated = [arg for arg in op.args if isinstance(arg.value, ast.Name) and arg.value.id == DATA]
    for arg in op.args:
        if arg.name is None or arg.cmp != "=" or arg.name.id in found:
            values.bag.error("E0209", arg.span, "`standardize` takes `mean = ...` and `std = ...`", "not one of these")
            return None
        if arg.name.id not in ("mean", "std"):
            unknown(arg.name, ("mean", "std"), values.bag, "`standardize`", code="E0209", what="option")
            return None
        if arg in estimated:
            found[arg.name.id] = ()
            continue
        items = arg.value.items if isinstance(arg.value, ast.Tuple) else (arg.value,)
        numbers = [values.number(item) for item in items]
        known = tuple(n for n in numbers if n is not None)
        if len(known) != len(numbers):
            return None
        channels = shape.dims[shape.axis("channel")] if shape.dims else None
        if len(known) > 1 and (channels is None or channels.constant != len(known)):
            title = f"{len(known)} numbers for {'unknown' if channels is None else channels} channels"
            values.bag.error("E0301", arg.value.span, title, "one number, or one a channel")
            return None
        if arg.name.id == "std" and min(known) <= 0:
            values.bag.error("E0209", arg.value.span, "a standard deviation is > 0", "not positive")
            return None
        found[arg.name.id] = known
    if len(found) != 2:
        values.bag.error("E0210", step.span, "`standardize` needs `mean` and `std`", "one is missing")
        return None
    if len(estimated) == 1:
        values.bag.error(
            "E0209",
            estimated[0].span,
            "`standardize` takes both from the data, or neither",
            "only this one",
            fixes=(Fix("write `standardize(mean = data, std = data)`"),),
        )
        return None
    return ir.StandardizeData() if estimated else ir.Standardize(found["mean"], found["std"]), shape


def _logit(op: ast.Simple, shape: ir.Shape, values: Values) -> Made | None:
    assert op.value is not None
    alpha = values.number(op.value)
    if alpha is None:
        return None
    if not 0 < alpha < 0.5:
        values.bag.error(
            "E0209",
            op.value.span,
            f"`logit({alpha:g})`: the margin lies between 0 and 1/2",
            "not between 0 and 1/2",
            notes=("logit(a + (1 - 2a) x); with a = 0 a pixel that is black or white goes to infinity",),
        )
        return None
    return ir.Logit(alpha), shape


def pad(op: ast.Pad, step: ast.Step, shape: ir.Shape, flow: ast.Flow, values: Values) -> Made | None:
    """Zero channels appended; a flow that pads takes no prior."""
    _no_prior(step, flow, values.bag)
    if op.axis.id != "channels":
        unknown(op.axis, ("channels",), values.bag, "what `pad` can raise", code="E0209", what="axis")
        return None
    size = values.whole(op.size)
    if size is None:
        return None
    channels = shape.dims[0].constant if shape.kind == "Image" else None
    if channels is None:
        values.bag.error(
            "E0304", step.span, f"`pad` acts on an Image of known channels, not on `{shape}`", "not known here"
        )
        return None
    if not channels < size <= 2**20:
        values.bag.error("E0209", op.size.span, f"`pad channels to {size}` of {channels}: no channel to add", "too few")
        return None
    result = ir.Shape("Image", (Nat.of(size), *shape.dims[1:]))
    return ir.Pad(size - channels), result


def _no_prior(step: ast.Step, flow: ast.Flow, bag: Bag) -> None:
    for other in flow.steps[-1:]:  # a prior stands nowhere else
        if isinstance(other.op, ast.Prior):
            bag.error(
                "E0604",
                other.span,
                "a flow that pads has no density: it takes no prior",
                "no log_prob exists here",
                also=(Label(step.span, "raises the dimension: the flow is injective only"),),
            )
            raise Stop


HALVED = {"Image": (0, "channels"), "Vec": (0, "coordinates"), "Seq": (1, "features")}
"""The axis that `factor half` cuts, and what stands along it."""


def factor(op: ast.Factor, step: ast.Step, shape: ir.Shape, resolve: Resolve, values: Values) -> Made | None:
    """A half leaves for the latent; the other one goes on."""
    if op.part.id != "half":
        unknown(op.part, ("half",), values.bag, "what `factor` can take", code="E0209", what="part")
        return None
    nets: list[ast.Arg] = []
    others: list[ast.Arg] = []
    for arg in op.args:
        (nets if arg.name is not None and arg.name.id == "prior" and arg.cmp == "=" else others).append(arg)
    options = bind_options(tuple(others), STEPS["factor"].options, "`factor`", step.span, values)
    if options is None:
        return None
    if shape.kind not in HALVED:
        values.bag.error("E0304", step.span, f"`factor` acts on Image, Vec or Seq, not on `{shape}`", "not known here")
        return None
    axis, what = HALVED[shape.kind]
    size = shape.dims[axis]
    if size.constant is not None and size.constant % 2:
        values.bag.error(
            "E0303",
            step.span,
            f"`factor half` of `{shape}`: {size} / 2 is not a whole number",
            f"{size} {what} have no halves",
            notes=(f"on {shape.kind} the {what} are cut in two",),
            fixes=(Fix("squeeze before: that multiplies the channels"),) if shape.kind == "Image" else (),
        )
        return None
    half = ir.Shape(shape.kind, (*shape.dims[:axis], size.over(2), *shape.dims[axis + 1 :]))
    for again in nets[1:]:
        values.bag.error("E0204", again.span, "option `prior` is given twice", "given again here")
    prior = factor_prior(nets[0], half, values, resolve) if nets else None
    if len(nets) > 1 or (nets and prior is None):
        return None
    return ir.FactorOut(str(options["keep"]), prior), half


def misplaced(flat: Sequence[tuple[int, ast.Step]], bag: Bag) -> None:
    """Report each `factor` inside of a block, and a head behind one; `flat` has the depth of every step."""
    left: ast.Step | None = None
    for depth, step in flat:
        match step.op:
            case ast.Factor():
                left = left or step
                if depth:
                    bag.error(
                        "E0607",
                        step.span,
                        "`factor` may only stand outside of every block",
                        "inside of a block",
                        notes=("what leaves here has another shape in each copy, or belongs to no layer of a pair",),
                        fixes=(Fix("write the copies one by one, each with its own `factor`"),),
                    )
            case ast.Classify() if left is not None:
                bag.error(
                    "E0607",
                    step.span,
                    "`classify` reads the whole latent, so no part of it may leave before",
                    "its net would see what is kept only",
                    also=(Label(left.span, "a part leaves here"),),
                    fixes=(Fix("leave the `factor` out"),),
                )
            case _:
                pass


def prior(op: ast.Prior, step: ast.Step, shape: ir.Shape, left: tuple[ir.Shape, ...], values: Values) -> Made | None:
    """The distribution of what the flow ends in, and of what `left` before."""
    info = PRIORS.get(op.call.name.id)
    if info is None:
        unknown(op.call.name, PRIORS, values.bag, "the priors", what="prior")
        return None
    if not info.ready:
        not_yet(values.bag, step.span, f"the prior `{info.name}`")
    options = bind_options(op.call.args, info.options, f"`{info.name}`", step.span, values)
    if options is None:
        return None
    return ir.Prior(info.name, str(options.get("per", "")), left), shape
