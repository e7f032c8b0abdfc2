"""A formula that is a bijection by composition, taken apart into links that each have an inverse in closed form."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.links import beside
from mintdsl.core.walks import constant
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.source import Span

ACTS = ("identity", "leaky_relu")
"""The functions onto R whose inverse is a formula."""


def links(layer: ir.Layer) -> tuple[ir.Expr, ...] | Diagnostic:
    """The nodes from the variable outwards, each applied to the one before; or the first without such an inverse.

    The formula must be proved by rule CHAIN: of two operands one is constant, and no factor is 0.
    """
    fixed: dict[str, bool] = {}
    for item in layer.lets:
        fixed[item.name] = constant(item.value, fixed)
    found: list[ir.Expr] = []
    node = layer.result
    while not isinstance(node, ir.Var):
        inner = _inner(layer, node, fixed)
        if isinstance(inner, Diagnostic):
            return inner
        if not isinstance(node, ir.Ref):
            found.append(node)
        node = inner
    stray = beside(layer, layer.result, found)
    if stray is not None:
        return _not_yet(stray.span, "a layer applied to what does not read the variable")
    return tuple(reversed(found))


def _inner(layer: ir.Layer, node: ir.Expr, fixed: dict[str, bool]) -> ir.Expr | Diagnostic:
    """What a link is applied to."""
    match node:
        case ir.Ref(name=name, indices=()):
            return layer.let(name).value
        case ir.Neg(arg=arg):
            return arg
        case ir.Inline(arg=arg):
            return arg
        case ir.Linear(param=name, arg=arg):
            kind = layer.param(name).kind
            if isinstance(kind, ir.Conv) and kind.size != (1, 1) and not layer.param(name).factored:
                return _not_yet(node.span, f"the inverse of `{name}`, a triangular convolution larger than 1x1,")
            return arg
        case ir.Binary(op=op, left=left, right=right) if constant(right, fixed):
            return left
        case ir.Binary(op=op, left=left, right=right) if op != "/" and constant(left, fixed):
            return right
        case ir.Apply(act=act, arg=arg):
            if isinstance(act, ir.BuiltinAct) and act.name in ACTS:
                return arg
            return _not_yet(node.span, f"the inverse of `{act}`, which is no formula,")
        case _:
            return _not_yet(node.span, "the inverse of this triangular map")


def _not_yet(span: Span, what: str) -> Diagnostic:
    return Diagnostic(
        "E0901",
        f"{what} inside of a composition is not yet in this version",
        (Label(span, "proved, but not generated", primary=True),),
        ("a layer inverts a composition link by link, each by a formula or by the layer that it applies",),
        (Fix("make it a layer of its own and compose the layers in a flow"),),
    )
