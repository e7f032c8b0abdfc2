"""Formulas as lists: every node after its operands, so that no walk over a formula recurses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, assert_never

from mintdsl.core import ir


class Node(NamedTuple):
    """A node of a formula, and the places of its operands in the list."""

    expr: ir.Expr
    operands: tuple[int, ...]


def operands(expr: ir.Expr) -> tuple[ir.Expr, ...]:
    """The formulas directly below a node; an activation's own formula is not one of them."""
    match expr:
        case ir.Var() | ir.Given() | ir.Scalar() | ir.Value() | ir.Ref():
            return ()
        case (
            ir.Linear()
            | ir.Apply()
            | ir.Neg()
            | ir.Pool()
            | ir.MaxMin()
            | ir.Swish()
            | ir.Chain()
            | ir.Delay()
            | ir.Spread()
            | ir.Pick()
            | ir.Inline()
            | ir.Exponential()
        ):
            return (expr.arg,)
        case ir.Cayley():
            return (expr.branch,)
        case ir.Join():
            return expr.parts
        case ir.Sum():
            return (expr.body,)
        case ir.Binary():
            return (expr.left, expr.right)
        case ir.Call() | ir.Concat():
            return expr.args
        case ir.Bend():
            return (expr.arg, *expr.params)
        case _:
            assert_never(expr)


def below(*roots: ir.Expr) -> Iterator[ir.Expr]:
    """The roots and every formula below them: each before its operands, the last first."""
    waiting = [*roots]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += operands(node)


def postorder(root: ir.Expr) -> list[Node]:
    """The nodes of a formula, operands first, from left to right; the root is the last."""
    nodes: list[Node] = []
    done: list[int] = []  # places of subformulas that wait for their parent
    stack: list[tuple[ir.Expr, int]] = [(root, -1)]
    while stack:
        expr, count = stack.pop()
        below = operands(expr)
        if count < 0 and below:
            stack.append((expr, len(below)))
            stack.extend((e, -1) for e in reversed(below))
            continue
        places = tuple(done[len(done) - len(below) :])
        del done[len(done) - len(below) :]
        done.append(len(nodes))
        nodes.append(Node(expr, places))
    return nodes


def acts_of(nodes: Sequence[Node]) -> Iterator[ir.Act]:
    """The activations that a formula applies."""
    return (node.expr.act for node in nodes if isinstance(node.expr, ir.Apply))
