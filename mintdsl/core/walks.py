"""Walks over formulas of the typed core that do not recurse: chains of operators are as deep as the text is long."""

from __future__ import annotations

from collections.abc import Iterable

from mintdsl.core import ir
from mintdsl.records import derived


def chain(node: ir.Expr) -> tuple[ir.Expr, list[ir.Binary]]:
    """The first operand of a chain such as `a + b * c - d`, and its operations, innermost first."""
    operations: list[ir.Binary] = []
    while isinstance(node, ir.Binary):
        operations.append(node)
        node = node.left
    operations.reverse()
    return node, operations


def act_size(act: ir.DefinedAct) -> int:
    """How many operations an activation of the program has, those of the activations in it included."""
    return derived(act, "size", lambda own: written_out([own.body]))


def written_out(formulas: Iterable[ir.Expr]) -> int:
    """How many operations and operands there are in `formulas`, their activations written out."""
    total, waiting = 0, list(formulas)
    while waiting:
        node = waiting.pop()
        total += 1
        match node:
            case ir.Apply(act, arg):
                total += act_size(act) if isinstance(act, ir.DefinedAct) else 0
                waiting.append(arg)
            case ir.Linear(arg=arg) | ir.Neg(arg=arg) | ir.Pool(arg=arg) | ir.Sum(body=arg):
                waiting.append(arg)
            case ir.Binary(left=left, right=right):
                waiting += (left, right)
            case ir.Var() | ir.Scalar() | ir.Value() | ir.Ref():
                pass
    return total
