"""The steps that the language has built in: logit, dequantize, standardize, pad and prior; `flow_moves` has others.

Each gives the step and the shape that it leaves, or reports why it cannot stand there.
"""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.flow_moves import Made, move
from mintdsl.core.nat import Nat
from mintdsl.core.option_values import bind_options
from mintdsl.core.scope import unknown
from mintdsl.core.steps import PRIORS
from mintdsl.core.values import Stop, Values, not_yet
from mintdsl.diagnostics.model import Bag, Label
from mintdsl.syntax import ast


def simple(op: ast.Simple, step: ast.Step, shape: ir.Shape, flow: ast.Flow, values: Values) -> Made | None:
    """A step that is one word and its options."""
    match op.word:
        case "squeeze" | "unsqueeze" | "permute" | "reverse" | "flatten" | "patches":
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
    for arg in op.args:
        if arg.name is None or arg.cmp != "=" or arg.name.id in found:
            values.bag.error("E0209", arg.span, "`standardize` takes `mean = ...` and `std = ...`", "not one of these")
            return None
        if arg.name.id not in ("mean", "std"):
            unknown(arg.name, ("mean", "std"), values.bag, "`standardize`", code="E0209", what="option")
            return None
        if isinstance(arg.value, ast.Name) and arg.value.id == "data":
            not_yet(values.bag, arg.span, "`standardize` from the data")
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
    return ir.Standardize(found["mean"], found["std"]), shape


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


def prior(op: ast.Prior, step: ast.Step, shape: ir.Shape, values: Values) -> Made | None:
    """The distribution of what the flow ends in."""
    info = PRIORS.get(op.call.name.id)
    if info is None:
        unknown(op.call.name, PRIORS, values.bag, "the priors", what="prior")
        return None
    if not info.ready:
        not_yet(values.bag, step.span, f"the prior `{info.name}`")
    if bind_options(op.call.args, (), f"`{info.name}`", step.span, values) is None:
        return None
    return ir.Prior(info.name), shape
