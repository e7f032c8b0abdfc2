"""Constraints of parameters, `with diag > 0 via softplus`: which registered one they make, and how it is kept."""

from __future__ import annotations

from mintdsl.core import ir
from mintdsl.core.constraints import CONSTRAINTS, Constraint, kept_by
from mintdsl.core.interval import REAL
from mintdsl.core.kinds import Kind
from mintdsl.core.norms import EUCLIDEAN
from mintdsl.core.scope import unknown
from mintdsl.core.values import RealFormal, Values, not_yet
from mintdsl.diagnostics.model import Bag, Fix
from mintdsl.records import replace
from mintdsl.source import Span
from mintdsl.syntax import ast

REMOVE = Fix("remove the constraint")
QUANTITIES = tuple(dict.fromkeys(c.quantity for c in CONSTRAINTS))


def bind_bound(nodes: tuple[ast.Constraint, ...], kind: ir.MapKind, info: Kind, values: Values) -> ir.Bound | None:
    """The bound that the constraints of one parameter make together; None without constraints, or a report."""
    if not nodes:
        return None
    span = nodes[0].span.to(nodes[-1].span)
    for node in nodes:
        if node.name.id not in QUANTITIES:
            unknown(node.name, QUANTITIES, values.bag, "the constraints", code="E0701", what="constraint")
            return None
    if any(node.name.id == "lip" for node in nodes):
        return _norm(nodes, kind, info, values, span)
    if any(node.name.id == "det" for node in nodes):
        return _determinant(nodes, kind, info, values, span)
    if any(node.name.id == "length" for node in nodes):
        return _length(nodes, kind, info, values, span)
    if isinstance(kind, ir.Perm):
        values.bag.error("E0701", span, "`perm` takes no constraint", "it is fixed", fixes=(REMOVE,))
        return None
    if isinstance(kind, ir.Normalize):
        label = "its slope is positive by itself"
        values.bag.error("E0701", span, "`normalize` takes no constraint", label, fixes=(REMOVE,))
        return None
    if isinstance(kind, (ir.LayerNorm, ir.Attention)):
        values.bag.error("E0701", span, f"`{info.name}` takes no constraint", "it stands in nets", fixes=(REMOVE,))
        return None
    if isinstance(kind, ir.Elementwise):
        if kind.kind == "bias":
            label = "it is added, not multiplied"
            values.bag.error("E0701", span, "a bias has no diagonal to constrain", label, fixes=(REMOVE,))
            return None
    elif kind.strict or kind.direction is None:
        why = "it is strict, its diagonal is 0" if kind.strict else "it is dense"
        fixes = (REMOVE if kind.strict else Fix(f"give it a direction: `{info.name} ... lower`", text="lower"),)
        values.bag.error(
            "E0701",
            span,
            f"`diag` of this {info.name} means nothing: {why}",
            "no diagonal to constrain",
            fixes=fixes,
        )
        return None
    found = _registered("diag", nodes, span, values)
    if found is None:
        return None
    constraint, bounds = found
    if constraint.cmp == ">= <=" and not 0 < bounds[0] < bounds[1]:
        values.bag.error(
            "E0701", span, f"`diag` from {bounds[0]:g} to {bounds[1]:g} holds no room", "0 < m < M is needed"
        )
        return None
    return _via(constraint, bounds, nodes, span, values.bag)


def _determinant(
    nodes: tuple[ast.Constraint, ...], kind: ir.Kind, info: Kind, values: Values, span: Span
) -> ir.Bound | None:
    """`det != 0` or `det == 1` of a matrix, `linear`, or of that at the anchor of a kernel, without a direction."""
    if not isinstance(kind, (ir.Conv, ir.Dense)):
        what = f"`det` of a {info.name} means nothing: it is no matrix"
        values.bag.error("E0701", span, what, "no determinant to constrain", fixes=(REMOVE,))
        return None
    if kind.direction is not None:
        fix = Fix(f"constrain its diagonal: `{info.name} ... {kind.direction} with diag != 0`", text="diag")
        why = "its determinant is that of its diagonal"
        title = f"`det` of this {info.name} is kept by its diagonal: it is triangular"
        values.bag.error("E0701", span, title, why, fixes=(fix,))
        return None
    if kind.norm:
        title = f"`det` and `norm = weight` of one {info.name}: both say how it is stored"
        values.bag.error("E0701", span, title, "the factors that keep it have no lengths", fixes=(REMOVE,))
        return None
    found = _registered("det", nodes, span, values)
    return None if found is None else _via(found[0], (), nodes, span, values.bag, low_rank=kind.rank is not None)


def _norm(
    nodes: tuple[ast.Constraint, ...], kind: ir.MapKind, info: Kind, values: Values, span: Span
) -> ir.Bound | None:
    """`lip <= c`: of a convolution or matrix without a direction, or of a scale."""
    scale = isinstance(kind, ir.Elementwise) and kind.kind == "scale"
    if not isinstance(kind, (ir.Conv, ir.Dense)) and not scale:
        what = f"`lip` of a {info.name} means nothing: no weight of it can be scaled down"
        values.bag.error("E0701", span, what, "no norm to constrain", fixes=(REMOVE,))
        return None
    if isinstance(kind, (ir.Conv, ir.Dense)):
        if kind.direction is not None:
            not_yet(values.bag, span, f"`lip` of a {info.name} with a direction")
        if kind.norm:
            title = f"`lip` and `norm = weight` of one {info.name}: both say how long its rows are"
            values.bag.error("E0701", span, title, "one of them", fixes=(REMOVE,))
            return None
    formal = nodes[0].value
    if len(nodes) == 1 and nodes[0].cmp == "<=" and isinstance(formal, ast.Name):
        if isinstance(values.names.values.get(formal.id), RealFormal):
            constraint = next(c for c in CONSTRAINTS if c.quantity == "lip")
            made = _in_its_norm(_via(constraint, (1.0,), nodes, span, values.bag), values, scale=scale)
            return made and replace(made, numbers=(), interval=REAL, formal=formal.id)
    found = _registered("lip", nodes, span, values)
    return found and _in_its_norm(_via(*found, nodes, span, values.bag), values, scale=scale)


def _in_its_norm(bound: ir.Bound | None, values: Values, *, scale: bool) -> ir.Bound | None:
    """A scale has no rows and columns to keep a norm by: its largest factor is its constant in every norm."""
    if bound is None or not scale or kept_by("lip", "<=", bound.via).norm == EUCLIDEAN:
        return bound
    title = f"a scale has no {bound.via}: its largest factor bounds it in every norm"
    fixes = (Fix("leave the parametrisation out: `with lip <= c`"),)
    values.bag.error("E0701", bound.span, title, f"not kept by `{bound.via}`", fixes=fixes)
    return None


def _length(
    nodes: tuple[ast.Constraint, ...], kind: ir.MapKind, info: Kind, values: Values, span: Span
) -> ir.Bound | None:
    """`length == 1`: of the numbers of a scale as a vector."""
    if not isinstance(kind, ir.Elementwise) or kind.kind != "scale":
        title = f"`length` is that of the numbers of a scale, not of a {info.name}"
        fixes = (REMOVE, Fix("declare weights: `param w : scale on Vec[2] with length == 1`"))
        values.bag.error("E0701", span, title, "no vector of factors", fixes=fixes)
        return None
    found = _registered("length", nodes, span, values)
    return None if found is None else _via(*found, nodes, span, values.bag)


def _registered(
    quantity: str, nodes: tuple[ast.Constraint, ...], span: Span, values: Values
) -> tuple[Constraint, tuple[float, ...]] | None:
    """The registered constraint that the parts make together, and its numbers; None with a report."""
    numbers = [values.number(node.value) for node in nodes]
    known = [n for n in numbers if n is not None]
    if len(known) != len(numbers):
        return None
    form, bounds = _form(nodes, known)
    registered = [c for c in CONSTRAINTS if c.quantity == quantity]
    constraint = next((c for c in registered if c.cmp == form and c.ready), None)
    if constraint is None or any(node.name.id != quantity for node in nodes):
        values.bag.error(
            "E0701",
            span,
            f"no parametrisation keeps `{', '.join(map(_shown, nodes, known))}`",
            "not one of the constraints of `mint list constraints`",
            notes=("constraints: " + "; ".join(c.text for c in registered),),
        )
        return None
    return constraint, bounds


def _shown(node: ast.Constraint, value: float) -> str:
    return f"{node.name.id} {node.cmp} {value:g}"


def _via(
    constraint: Constraint,
    bounds: tuple[float, ...],
    nodes: tuple[ast.Constraint, ...],
    span: Span,
    bag: Bag,
    *,
    low_rank: bool = False,
) -> ir.Bound | None:
    """The bound, kept as the program says, or by the first parametrisation; of a map with a rank the first for it."""
    calls = [n.via for n in nodes if n.via is not None]
    via = next((v for v in constraint.via if v.low_rank or not low_rank), constraint.via[0])
    if calls:
        call = calls[0]
        found = next((v for v in constraint.via if v.name == call.name.id), None)
        if found is None or call.args:
            names = [v.name for v in constraint.via]
            unknown(call.name, names, bag, f"the parametrisations of `{constraint.text}`", what="parametrisation")
            return None
        if not found.ready:
            not_yet(bag, call.span, f"the parametrisation `{found.name}`")
        via = found
    return ir.Bound(constraint.cmp, bounds, via.name, constraint.interval(*bounds), span, constraint.quantity)


def _form(nodes: tuple[ast.Constraint, ...], numbers: list[float]) -> tuple[str, tuple[float, ...]]:
    """The registry's name of a constraint, and its numbers."""
    pairs = sorted(zip((n.cmp for n in nodes), numbers, strict=True), reverse=True)
    match pairs:
        case [(">=", m)] if m > 0:
            return ">=", (m,)
        case [("<=", c)] if c > 0:
            return "<=", (c,)
        case [(cmp, value)] if (cmp, value) in ((">=", 0.0), (">", 0.0), ("!=", 0.0), ("==", 1.0)):
            return f"{cmp} {value:g}", ()
        case [(">=", m), ("<=", top)]:
            return ">= <=", (m, top)
        case _:
            return "", ()
