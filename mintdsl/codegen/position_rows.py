"""Masked matrices whose products at a position are made together: those of one argument, and what is added to them.

A product of few rows costs as much as the call itself; so the mean and the scale of a flow, which read the same hidden
units, are the rows of one matrix, and a bias starts the sum.
"""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.codegen.reading import Reading, Roots
from mintdsl.core import ir
from mintdsl.core.postorder import operands


def is_masked(reading: Reading, node: ir.Expr) -> bool:
    """Whether a node that moves is a masked matrix of a Vec."""
    if not isinstance(node, ir.Linear) or reading.tokens or not reading.moves(node):
        return False
    return isinstance(reading.owner.param(node.param).kind, ir.Dense)


def stacks(reading: Reading, stricts: Sequence[ir.Expr]) -> dict[int, tuple[ir.Linear, ...]]:
    """The strict matrices that share their argument and their shapes, by the identity of each of them."""
    found: dict[object, list[ir.Linear]] = {}
    for node in stricts:
        if isinstance(node, ir.Linear) and is_masked(reading, node):
            param = reading.owner.param(node.param)
            argument = node.arg.name if isinstance(node.arg, ir.Ref | ir.Var) else id(node.arg)
            found.setdefault((argument, param.source, param.target), []).append(node)
    return {id(node): tuple(nodes) for nodes in found.values() for node in nodes}


def shifted(reading: Reading, roots: Roots, stricts: Sequence[ir.Expr]) -> dict[int, tuple[ir.Linear, ir.Expr]]:
    """The sums of a masked matrix and of what does not move, by the identity of the sum: (matrix, what is added)."""
    found: dict[int, tuple[ir.Linear, ir.Expr]] = {}
    for node in reading.reached([*roots, *(arg for strict in stricts for arg in operands(strict))]):
        if isinstance(node, ir.Binary) and node.op == "+":
            for one, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(one, ir.Linear) and is_masked(reading, one) and not reading.moves(other):
                    found[id(node)] = (one, other)
    return found
