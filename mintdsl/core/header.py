"""What layers, nets and flows begin with: the shape they are on, and what they ensure."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.core import ir
from mintdsl.core.claim_words import CLAIMS, KINDS_OF
from mintdsl.core.nat import Nat
from mintdsl.core.orders import DIRECTIONS
from mintdsl.core.scope import BUILTIN, unknown
from mintdsl.core.steps import SHAPES
from mintdsl.core.values import DirFormal, Stop, Values, not_yet
from mintdsl.diagnostics.model import Bag, Edit, Fix, Safety, Severity
from mintdsl.source import Span
from mintdsl.syntax import ast, flat


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


def bind_context(items: Sequence[ast.Context], on: ir.Shape, values: Values) -> ir.Context | None:
    """The context after `given`; a layer or flow on `on` has one at most."""
    if len(items) > 1:
        not_yet(values.bag, items[1].span, "a second context")
    for item in items:
        same = on.kind == "Any" and not item.shape.dims and item.shape.name.id == on.name  # `on S given c : S`
        shape = on if same else bind_shape(item.shape, values)
        if shape is None:
            raise Stop
        if shape.kind == "Any" and not same:
            label, fix = "any shape", Fix("write its sizes: `Vec[M]`, `Image[M, H, W]`")
            values.bag.error("E0304", item.shape.span, f"`given {item.name.id}` needs a shape", label, fixes=(fix,))
            raise Stop
        return ir.Context(item.name.id, shape, item.span)
    return None


def unused_context(given: ir.Context, who: str, bag: Bag) -> None:
    """Warn of a context that nothing reads."""
    if not bag.has_errors:
        title = f"{who} never uses its context `{given.name}`"
        fixes = (Fix("remove it"),)
        bag.error("W0201", given.span, title, "not used", fixes=fixes, severity=Severity.WARNING)


def bind_claims(items: Sequence[ast.Claim], values: Values, allowed: Sequence[str], what: str) -> tuple[ir.Claim, ...]:
    """The claims after `ensures`; `allowed` are the words of the registry that `what` may use."""
    result = []
    for item in items:
        name = item.name.id
        formal = isinstance(values.names.values.get(name), DirFormal) and "lower" in allowed
        if name not in allowed and not formal:
            if not values.names.silent(name):
                known = [*allowed, *(values.names.named((DirFormal,)) if "lower" in allowed else ())]
                unknown(item.name, known, values.bag, f"the claims of {what}", code="E0214", what="claim")
            continue
        match item:
            case ast.ClaimBound():
                claim = _bound(item, values)
            case ast.ClaimKind():
                claim = _kind(item, values)
            case _:
                claim = _class(item, values, formal or name in DIRECTIONS)
        if claim is not None:
            result.append(claim)
    return tuple(result)


def _bound(item: ast.ClaimBound, values: Values) -> ir.Claim | None:
    name = item.name.id
    value = values.number(item.value)
    if value is None:
        return None
    good = name == "lip" and value > 0 and item.cmp in ("<", "<=")
    if name == "diag":
        good = (item.cmp, value) in ((">", 0.0), ("!=", 0.0), ("==", 1.0)) or (item.cmp == ">=" and value > 0)
    return ir.Claim(name, item.cmp, value, span=item.span) if good else _no_claim(item, values, name)


def _kind(item: ast.ClaimKind, values: Values) -> ir.Claim | None:
    name, kind = item.name, item.kind
    if name.id not in KINDS_OF:
        after = Span(name.span.file, name.span.end, name.span.end)
        comma = Fix("claims are separated by commas", (Edit(after, ","),), Safety.UNSAFE)
        return _no_claim(item, values, name.id, comma)
    if kind.id not in KINDS_OF[name.id]:
        unknown(kind, KINDS_OF[name.id], values.bag, f"the kinds of `{name.id}`", code="E0214", what="kind")
        return None
    return ir.Claim(name.id, word=kind.id, span=item.span)


def _class(item: ast.ClaimClass, values: Values, direction: bool) -> ir.Claim | None:
    name = item.name.id
    plain = direction or name in CLAIMS[name].forms
    if not plain or (item.strict and not direction):
        return _no_claim(item, values, name)
    return ir.Claim(name, strict=item.strict, span=item.span)


def _no_claim(item: ast.Claim, values: Values, name: str, *fixes: Fix) -> None:
    """Report a word of claims that is not used as one of its forms."""
    forms = CLAIMS[name].forms if name in CLAIMS else (name, f"strict {name}")
    text = flat.claim(item)
    values.bag.error("E0214", item.span, f"`{text}` is no claim", f"claims: {', '.join(forms)}", fixes=fixes)
