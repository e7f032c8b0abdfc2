"""Chains of operators, `a + b * c - d / e`: trees that are as deep on their left side as the text is long.

Whatever walks over formulas takes a chain from its first operand on, in a loop: only brackets nest.
"""

from __future__ import annotations

from mintdsl.syntax import ast


def chain(formula: ast.Expr) -> tuple[ast.Expr, list[ast.Binary]]:
    """The first operand of `formula`, and its operations, innermost first: none if it is no operation."""
    operations: list[ast.Binary] = []
    while isinstance(formula, ast.Binary):
        operations.append(formula)
        formula = formula.left
    operations.reverse()
    return formula, operations
