"""Spaces inside layers and nets: shapes with names, and the positions of their elements."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.option_values import bind_options
from mintdsl.core.options import Option
from mintdsl.core.values import Values, not_yet
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.records import replace
from mintdsl.source import Span
from mintdsl.syntax import ast

SPACES = (Option("degrees", "choice", None, ("own",)),)
"""The options of a space; without them its elements are data, or hidden units."""


def member_space(item: ast.Space, owner: ir.Shape, owner_span: Span, values: Values) -> ir.Shape | None:
    """The shape that a layer or net on `owner` gives a name; None, and a report, where it cannot be."""
    shape = values.shape(item.shape)
    if not item.options:
        return shape
    if any(isinstance(arg.value, ast.Name) and arg.value.id == "random" for arg in item.options):
        not_yet(values.bag, item.span, "a space with random degrees")
    if bind_options(item.options, SPACES, "a space", item.span, values) is None or shape is None:
        return None
    also = (Label(owner_span, f"`{owner}`"),)
    for side, span in ((owner, item.span), (shape, item.shape.span)):
        if side.kind != "Vec":
            title = f"`degrees = own` gives the elements of a Vec positions of a Vec: `{side}` is none"
            values.bag.error("E0304", span, title, "positions of a Vec", also=also)
            return None
    laid = laid_out(shape, owner)
    if laid is None:
        size = shape.dims[0]
        values.bag.error(
            "E0303",
            item.shape.span,
            f"`{size}` is no multiple of `{owner.dims[0]}`: each position has the same number of elements",
            "does not divide exactly",
            also=also,
            fixes=(Fix(f"write the number of each position times `{owner.dims[0]}`"),),
        )
    return laid


def laid_out(shape: ir.Shape, owner: ir.Shape) -> ir.Shape | None:
    """A Vec whose elements stand at the positions of the Vec `owner` in turn; None where it is no multiple of it."""
    each = shape.dims[0].quotient(owner.dims[0])
    if each is None or not each.terms or any(ratio.bottom != 1 for _, ratio in each.terms):
        return None
    return replace(shape, each=None if each == Nat.of(1) else each)
