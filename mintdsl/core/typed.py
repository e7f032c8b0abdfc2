"""Formulas with their shapes, as elaboration passes them on."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.records import record


@record
class Bound:
    """A let in scope, with the shape of its value (None: a number)."""

    let: ir.Let
    shape: ir.Shape | None


@record
class Typed:
    """An expression and its shape; None is a number, which fits every shape."""

    expr: ir.Expr
    shape: ir.Shape | None
