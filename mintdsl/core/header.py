"""What layers, nets and flows begin with: the shape they are on, and what they ensure."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.scope import BUILTIN, unknown
from mintdsl.core.steps import SHAPES
from mintdsl.core.values import DirFormal, Values, not_yet
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
    result = []
    for item in items:
        if isinstance(item, ast.ClaimBound):
            if item.name.id == "lip":
                not_yet(values.bag, item.span, "the claim `lip`")
            if item.name.id != "diag" or "diag" not in allowed:
                unknown(item.name, allowed, values.bag, f"the claims of {what}", code="E0214", what="claim")
                continue
            value = values.number(item.value)
            if value is None:
                continue
            if (item.cmp, value) not in ((">", 0.0), ("!=", 0.0), ("==", 1.0)) and not (item.cmp == ">=" and value > 0):
                values.bag.error(
                    "E0214",
                    item.span,
                    f"`diag {item.cmp} {value:g}` is no claim",
                    "claims: diag > 0, diag >= e with e > 0, diag != 0, diag == 1",
                )
                continue
            result.append(ir.Claim("diag", item.cmp, value, span=item.span))
            continue
        formal = values.names.values.get(item.name.id)
        directed = item.name.id in ("lower", "upper") or isinstance(formal, DirFormal)
        if item.name.id == "diag" or (item.strict and not directed and item.name.id in allowed):
            label = "`strict` goes before a direction" if item.strict else "claims: diag > 0, diag >= e, diag != 0"
            values.bag.error("E0214", item.span, f"`{'strict ' * item.strict}{item.name.id}` is no claim", label)
            continue
        if item.name.id in allowed or isinstance(formal, DirFormal) and "lower" in allowed:
            result.append(ir.Claim(item.name.id, strict=item.strict, span=item.span))
        elif not values.names.silent(item.name.id):
            unknown(item.name, allowed, values.bag, f"the claims of {what}", code="E0214", what="claim")
    return tuple(result)
