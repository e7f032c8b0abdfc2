"""Ties: `tie diag(W3[i]) * diag(W2[i, j]) * diag(W1[j]) >= 0`, each solved for one factor, its pivot.

The pivot's diagonal becomes |raw| times the signs of the other factors (sign(0) = 0), so that the product has the
asked sign for every raw value. A pivot carries every index of its tie, explicit and implicit (channels, pixels),
occurs once, is bound by nothing else, and pivots do not depend on each other in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.scope import unknown
from mintdsl.core.values import IndexName, Values, too_many
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.records import record, replace
from mintdsl.source import NOWHERE, Span
from mintdsl.syntax import ast


@record
class _Found:
    factor: ir.Factor
    param: ir.Param
    span: Span


def solve(ties: list[ast.Tie], params: Mapping[str, ir.Param], values: Values) -> dict[str, ir.Param]:
    """The parameters with pivots filled in; ties that cannot be solved are reported."""
    result = dict(params)
    if too_many(len(ties), limits.TIES, ties[-1].span if ties else NOWHERE, values.bag):
        return result
    needed: set[str] = set()  # the other factors of the pivots so far
    for tie in ties:
        factors = _factors(tie, result, values)
        if factors is None or too_many(len(factors[1]), limits.FACTORS, tie.span, values.bag):
            continue
        sign = {">=": 1, "<=": -1}.get(tie.cmp)
        if sign is None or not (isinstance(tie.bound, ast.Number) and tie.bound.value == 0):
            values.bag.error(
                "E0405", tie.span, "a tie compares a product of diagonals with 0, by >= or <=", "not such a tie"
            )
            continue
        negations, found = factors
        pivot = _pivot(tie, found, result, needed, values)
        if pivot is not None:
            others = tuple(f.factor for f in found if f is not pivot)
            solved = ir.Pivot(pivot.factor.indices, others, sign * (-1) ** negations, tie.span)
            result[pivot.param.name] = replace(result[pivot.param.name], pivot=solved)
            needed.update(other.name for other in others)
    _not_too_deep(result, values.bag)
    return result


def _not_too_deep(params: Mapping[str, ir.Param], bag: Bag) -> None:
    """The sign of a pivot is found by recursion on its factors, of which some are pivots of other ties."""
    depths: dict[str, int] = {}
    factors: dict[str, int] = {}
    for start in params:
        path = [start]
        while path:
            pivot = params[path[-1]].pivot
            others = [] if pivot is None else [other.name for other in pivot.others]
            waiting = [other for other in others if other not in depths]
            if waiting:
                path.extend(waiting)
                continue
            name = path.pop()
            depths[name] = 1 + max((depths[other] for other in others), default=-1)
            factors[name] = 1 + sum(factors[other] for other in others)
            if pivot is not None and (
                too_many(depths[name], limits.TIED, pivot.span, bag)
                or too_many(factors[name], limits.SIGNS, pivot.span, bag)
            ):
                return


def _factors(tie: ast.Tie, params: Mapping[str, ir.Param], values: Values) -> tuple[int, list[_Found]] | None:
    negations = 0
    found = []
    stack = [tie.product]
    while stack:
        node = stack.pop()
        match node:
            case ast.Binary(op="*"):
                stack += (node.right, node.left)
            case ast.Neg():
                negations += 1
                stack.append(node.operand)
            case ast.Apply(fn=ast.Name(id="diag"), args=(ast.Arg(name=None) as arg,)):
                factor = _factor(arg.value, params, values)
                if factor is None:
                    return None
                found.append(factor)
            case _:
                values.bag.error("E0405", node.span, "a tie is a product of factors `diag(W[i])`", "not such a factor")
                return None
    return negations, found


def _factor(node: ast.Expr, params: Mapping[str, ir.Param], values: Values) -> _Found | None:
    indices: list[str] = []
    name = node.base if isinstance(node, ast.At) else node
    if isinstance(node, ast.At):
        for index in node.indices:
            if not isinstance(index, ast.Name) or not isinstance(values.names.values.get(index.id), IndexName):
                if not isinstance(index, ast.Name):
                    values.bag.error("E0408", index.span, "an index is a name", "declare it with `index i : K`")
                elif not values.names.silent(index.id):
                    known = values.names.named((IndexName,))
                    unknown(index, known, values.bag, "the indices of this layer", what="index")
                return None
            indices.append(index.id)
    if not isinstance(name, ast.Name):
        values.bag.error("E0405", node.span, "`diag` takes a parameter", "not a parameter")
        return None
    param = params.get(name.id)
    if param is None:
        if not values.names.silent(name.id):
            unknown(name, params, values.bag, "the parameters of this layer", what="parameter")
        return None
    if len(indices) != len(param.indices):
        values.bag.error("E0408", node.span, f"`{name.id}` has {len(param.indices)} indices", f"{len(indices)} given")
        return None
    for own, used in zip(param.indices, indices, strict=True):
        if _extent(own, values) != _extent(used, values):
            values.bag.error(
                "E0301",
                node.span,
                f"`{used}` and the index `{own}` of `{name.id}` have different extents",
                "extents differ",
            )
            return None
    reason = _no_diagonal(param)
    if reason:
        values.bag.error(
            "E0405",
            node.span,
            f"`{name.id}` has no diagonal to tie: {reason}",
            "no diagonal",
            also=(Label(param.span, "declared here"),),
        )
        return None
    return _Found(ir.Factor(name.id, tuple(indices)), param, node.span)


def _extent(index: str, values: Values) -> object:
    value = values.names.values[index]
    assert isinstance(value, IndexName)
    return value.extent


def _no_diagonal(param: ir.Param) -> str:
    match param.kind:
        case ir.Normalize() | ir.Perm():
            return "it is not weighted"
        case ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
            return "nothing is claimed of it"
        case ir.Elementwise(kind="bias"):
            return "a bias is added"
        case ir.Elementwise():
            return ""
        case ir.Conv() | ir.Dense():
            if param.kind.strict:
                return "it is strict, its diagonal is 0"
            if param.kind.direction is None:
                return "it is dense; give it a direction"
            return ""


def carried(param: ir.Param) -> frozenset[str]:
    """The implicit indices on which the diagonal of a parameter depends."""
    if param.target.kind == "Any":
        channel = isinstance(param.kind, ir.Elementwise) and param.kind.per == "channel"
        return frozenset({"channel"}) if channel else frozenset({"element"})  # of a shape not known: never mixed
    match param.kind:
        case ir.Elementwise(per="element"):
            return frozenset(param.target.coordinates)
        case ir.Elementwise() | ir.Conv() | ir.Normalize() | ir.Perm():
            return frozenset({"c"}) if param.target.kind == "Image" else frozenset(param.target.coordinates[-1:])
        case ir.Dense():
            return frozenset(param.target.coordinates[-1:])
        case ir.NetParam() | ir.LayerParam() | ir.LayerNorm() | ir.Attention():
            raise AssertionError("a net has no diagonal")


def _pivot(
    tie: ast.Tie, found: list[_Found], params: Mapping[str, ir.Param], needed: set[str], values: Values
) -> _Found | None:
    explicit = {i for f in found for i in f.factor.indices}
    implicit = frozenset().union(*(carried(f.param) for f in found))
    reasons = []
    shapes = {f.param.target for f in found}
    if len(shapes) > 1:
        values.bag.error(
            "E0301",
            tie.span,
            f"the factors of this tie act on different shapes: {', '.join(sorted(map(str, shapes)))}",
            "diagonals of different sizes",
        )
        return None
    for candidate in reversed(found):  # the last factor that can take the sign of the others
        param = params[candidate.param.name]
        indices = candidate.factor.indices
        missing, fixed = sorted(explicit - set(indices)), sorted(implicit - carried(param))
        if missing:
            listed = ", ".join(f"`{m}`" for m in missing)
            reasons.append(f"`{param.name}` lacks the {'index' if len(missing) == 1 else 'indices'} {listed}")
        elif fixed:
            reasons.append(f"the diagonal of `{param.name}` has one value for all of {', '.join(fixed)}")
        elif len(set(indices)) != len(indices):
            reasons.append(f"`{param.name}` repeats an index")
        elif sum(f.param.name == param.name for f in found) > 1:
            reasons.append(f"`{param.name}` occurs twice")
        elif param.bound is not None:
            reasons.append(f"the sign of `{param.name}` is bound by `with`")
        elif param.pivot is not None:
            reasons.append(f"`{param.name}` is bound by another tie")
        elif param.name in needed and _reaches([f.param.name for f in found if f is not candidate], param.name, params):
            reasons.append(f"the signs it would need depend on `{param.name}` itself, through another tie")
        else:
            return candidate
    values.bag.error(
        "E0405",
        tie.span,
        "this tie cannot be solved: no factor can take the sign of the others",
        f"no factor carries {', '.join(sorted(explicit))} and is free" if explicit else "no factor is free",
        notes=(*reversed(reasons), "the factor that takes the sign carries all indices and is bound by nothing else"),
        fixes=(Fix("bind the other signs by themselves, with `diag > 0`, and tie what is left"),),
    )
    return None


def _reaches(names: list[str], goal: str, params: Mapping[str, ir.Param]) -> bool:
    seen: set[str] = set()
    while names:
        name = names.pop()
        if name == goal:
            return True
        pivot = params[name].pivot
        if name not in seen and pivot is not None:
            names.extend(f.name for f in pivot.others)
        seen.add(name)
    return False
