"""What layers, nets and flows begin with: the shape they are on, and what they ensure."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.orders import DIRECTIONS
from mintdsl.core.outcomes import KINDS_OF
from mintdsl.core.scope import BUILTIN, unknown
from mintdsl.core.steps import SHAPES
from mintdsl.core.values import DirFormal, Values
from mintdsl.diagnostics.model import Edit, Fix, Safety
from mintdsl.source import Span
from mintdsl.syntax import ast


def bind_shape(shape: ast.Shape, values: Values) -> ir.Shape | None:
    """The shape after `on`: its unknown names are bound here, for each use anew."""
    if shape.name.id not in SHAPES and not shape.dims:
        known = shape.name.id in values.names.scope.entries or values.names.silent(shape.name.id)
        if not known and shape.name.id not in BUILTIN:
            result = ir.Shape("Any", (), shape.name.id)
            values.names.define(shape.name, result, values.bag)
            return result
    for dim in shape.dims:
        if isinstance(dim, ast.Name):
            entry = values.names.scope.entries.get(dim.id)
            taken = dim.id in values.names.values or (entry is not None and entry.kind == "const")
            if not taken and not values.names.silent(dim.id):
                values.names.sizes[dim.id] = Nat.symbol(dim.id)
    return values.shape(shape)


def bind_claims(
    items: Sequence[ast.Claim], values: Values, allowed: tuple[str, ...], what: str
) -> tuple[ir.Claim, ...]:
    """The claims after `ensures`."""
    words = (*allowed, *KINDS_OF, "lip")
    result = []
    for item in items:
        match item:
            case ast.ClaimBound():
                claim = _bound(item, values, words, what)
            case ast.ClaimKind():
                claim = _kind(item, values, words, what)
            case _:
                claim = _class(item, values, allowed, words, what)
        if claim is not None:
            result.append(claim)
    return tuple(result)


def _bound(item: ast.ClaimBound, values: Values, words: tuple[str, ...], what: str) -> ir.Claim | None:
    name = item.name.id
    if name not in ("diag", "lip") or name not in words:
        unknown(item.name, words, values.bag, f"the claims of {what}", code="E0214", what="claim")
        return None
    value = values.number(item.value)
    if value is None:
        return None
    good = value > 0 and item.cmp in ("<", "<=")
    if name == "diag":
        good = (item.cmp, value) in ((">", 0.0), ("!=", 0.0), ("==", 1.0)) or (item.cmp == ">=" and value > 0)
    if not good:
        forms = {"diag": "diag > 0, diag >= e with e > 0, diag != 0, diag == 1", "lip": "lip < c, lip <= c with c > 0"}
        values.bag.error("E0214", item.span, f"`{name} {item.cmp} {value:g}` is no claim", f"claims: {forms[name]}")
        return None
    return ir.Claim(name, item.cmp, value, span=item.span)


def _kind(item: ast.ClaimKind, values: Values, words: tuple[str, ...], what: str) -> ir.Claim | None:
    name, kind = item.name, item.kind
    if name.id in KINDS_OF:
        if kind.id in KINDS_OF[name.id]:
            return ir.Claim(name.id, word=kind.id, span=item.span)
        unknown(kind, KINDS_OF[name.id], values.bag, f"the kinds of `{name.id}`", code="E0214", what="kind")
    elif name.id in words:
        comma = Fix(
            "claims are separated by commas",
            (Edit(Span(name.span.file, name.span.end, name.span.end), ","),),
            Safety.UNSAFE,
        )
        values.bag.error("E0214", item.span, f"`{name.id} {kind.id}` is no claim", "two claims?", fixes=(comma,))
    elif not values.names.silent(name.id):
        unknown(name, words, values.bag, f"the claims of {what}", code="E0214", what="claim")
    return None


def _class(
    item: ast.ClaimClass, values: Values, allowed: tuple[str, ...], words: tuple[str, ...], what: str
) -> ir.Claim | None:
    name = item.name.id
    formal = isinstance(values.names.values.get(name), DirFormal) and "lower" in allowed
    if item.strict and (name in allowed or formal) and not formal and name not in DIRECTIONS:
        values.bag.error("E0214", item.span, f"`strict {name}` is no claim", "only a direction can be strict")
        return None
    if name in allowed or formal:
        return ir.Claim(name, strict=item.strict, span=item.span)
    if not values.names.silent(name):
        unknown(item.name, words, values.bag, f"the claims of {what}", code="E0214", what="claim")
    return None
