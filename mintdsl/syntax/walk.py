"""Walks over the syntax tree of one definition: its formulas with what is around them, its parameters, its steps."""

from __future__ import annotations

from collections.abc import Iterator

from mintdsl.records import record
from mintdsl.source import Span
from mintdsl.syntax import ast


@record
class Node:
    """A formula inside of a definition, and the formula around it; `tie` if it stands in a tie."""

    expr: ast.Expr
    parent: ast.Expr | None
    tie: bool = False


def nodes(item: ast.Item, *, ties: bool = False) -> Iterator[Node]:
    """Every formula of a definition, outer ones before inner ones; those of ties only when asked for."""
    stack = [Node(e, None) for e in _roots(item)]
    if ties:
        stack += [Node(m.product, None, True) for m in members(item) if isinstance(m, ast.Tie)]
    while stack:
        node = stack.pop()
        yield node
        stack += [Node(e, node.expr, node.tie) for e in _below(node.expr)]


def members(item: ast.Item) -> tuple[ast.Member, ...]:
    """The members of a layer or net."""
    return item.members if isinstance(item, ast.Layer | ast.Net) else ()


def params(item: ast.Item) -> list[ast.Param]:
    """The declarations of parameters."""
    return [m for m in members(item) if isinstance(m, ast.Param)]


def steps(item: ast.Item) -> Iterator[ast.Step]:
    """The steps of a flow, those inside of blocks too."""
    stack = list(item.steps) if isinstance(item, ast.Flow) else []
    while stack:
        step = stack.pop()
        yield step
        if isinstance(step.op, ast.Pair | ast.Repeat):
            stack += step.op.steps


def name_of(expr: ast.Expr) -> str:
    """The name in `W`, `W[i]` or `W[i](x)`, or nothing."""
    while not isinstance(expr, ast.Name):
        match expr:
            case ast.At():
                expr = expr.base
            case ast.Apply():
                expr = expr.fn
            case _:
                return ""
    return expr.id


def within(inner: Span, outer: Span) -> bool:
    """Whether `inner` lies in `outer`."""
    return outer.start <= inner.start and inner.end <= outer.end


def _roots(item: ast.Item) -> list[ast.Expr]:
    match item:
        case ast.ActDefined():
            return [item.value]
        case ast.Layer() | ast.Net():
            own = [m.value for m in item.members if isinstance(m, ast.ActDefined | ast.Let)]
            return [*own, *(let.value for let in item.body.lets), item.body.result]
        case _:
            return []


def _below(expr: ast.Expr) -> tuple[ast.Expr, ...]:
    match expr:
        case ast.Name() | ast.Number():
            return ()
        case ast.Neg():
            return (expr.operand,)
        case ast.Binary():
            return (expr.left, expr.right)
        case ast.Apply():
            return (expr.fn, *(arg.value for arg in expr.args))
        case ast.At():
            return (expr.base, *expr.indices)
        case ast.Reduce():
            return (*expr.indices, expr.body)
        case ast.Tuple():
            return expr.items
