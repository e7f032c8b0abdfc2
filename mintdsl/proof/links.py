"""A formula that is a bijection by composition, taken apart into links that each have an inverse in closed form."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mintdsl.core import ir
from mintdsl.core.links import beside
from mintdsl.core.walks import constant
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.source import Span

ACTS = ("identity", "leaky_relu")
"""The functions onto R whose inverse is a formula."""
NAMES = {ir.Inline: "a layer", ir.Exponential: "the exponential of a map", ir.Cayley: "a Cayley map"}


def links(layer: ir.Layer, residual: Collection[Span] = ()) -> tuple[ir.Expr, ...] | Diagnostic:
    """The nodes from the variable outwards, each applied to the one before; or the first without such an inverse.

    The formula must be proved by rule CHAIN: of two operands one is constant, and no factor is 0. A sum by rule RES or
    a Cayley map, at the places `residual`, is the first link.
    """
    fixed: dict[str, bool] = {}
    for item in layer.lets:
        fixed[item.name] = constant(item.value, fixed)
    found: list[ir.Expr] = []
    node = layer.result
    while not isinstance(node, ir.Var):
        if node.span in residual and not isinstance(node, ir.Ref):
            found.append(node)
            break
        inner = _inner(layer, node, fixed)
        if isinstance(inner, Diagnostic):
            return inner
        if not isinstance(node, ir.Ref):
            found.append(node)
        node = inner
    stray = beside(layer, layer.result, found)
    if stray is not None:
        what = NAMES[type(stray)]
        return later(stray.span, f"{what} applied to what does not read the variable, or in a sum that reads it too,")
    if len(found) > 1 and isinstance(found[-1], ir.Cayley):
        return later(found[-2].span, "what follows a Cayley map")
    if found and found[-1].span in residual:
        after = next((one for one in found[:-1] if not _shift(one, fixed)), None)
        return tuple(reversed(found)) if after is None else later(after.span, "what follows a residual sum")
    return tuple(reversed(found))


def _inner(layer: ir.Layer, node: ir.Expr, fixed: Mapping[str, bool]) -> ir.Expr | Diagnostic:
    """What a link is applied to."""
    match node:
        case ir.Ref(name=name, indices=()):
            return layer.let(name).value
        case ir.Neg(arg=arg):
            return arg
        case ir.Inline(arg=arg) | ir.Exponential(arg=arg) | ir.Linear(arg=arg):
            return arg
        case ir.Binary(op=op, left=left, right=right) if constant(right, fixed):
            return left
        case ir.Binary(op=op, left=left, right=right) if op != "/" and constant(left, fixed):
            return right
        case ir.Apply(act=act, arg=arg):
            if isinstance(act, ir.BuiltinAct) and act.name in ACTS:
                return arg
            return later(node.span, f"the inverse of `{act}`, which is no formula,")
        case _:
            return later(node.span, "the inverse of this triangular map")


def _shift(node: ir.Expr, fixed: Mapping[str, bool]) -> bool:
    """Whether a link only adds a constant."""
    if not isinstance(node, ir.Binary) or node.op not in "+-":
        return False
    return constant(node.right, fixed) or (node.op == "+" and constant(node.left, fixed))


def later(span: Span, what: str) -> Diagnostic:
    """That a proof stands, and no module is written of it."""
    return Diagnostic(
        "E0901",
        f"{what} inside of a composition is not yet in this version",
        (Label(span, "proved, but not generated", primary=True),),
        ("a layer inverts a composition link by link, each by a formula or by the layer that it applies",),
        (Fix("make it a layer of its own and compose the layers in a flow"),),
    )
