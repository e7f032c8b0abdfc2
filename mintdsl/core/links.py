"""Formulas as chains of links: what is done to a variable, one operation after the other, with what does not read it.

`(b + m) * s` is the chain `+ m`, `* s` of b, if m and s do not read b. Each link can be undone alone, so a chain is
inverted from its end.
"""

from __future__ import annotations

from typing import NamedTuple

from mintdsl.core import ir
from mintdsl.core.walks import variables


class Link(NamedTuple):
    """`word` is what becomes of a value v: `v + e`, `v - e`, `e - v` (word `from`), `v * e`, `v / e`, `-v` (neg)."""

    word: str
    operand: ir.Expr | None


def links(layer: ir.Layer, variable: str, root: ir.Expr) -> tuple[list[Link], ir.Expr]:
    """The links from `variable` outwards, and the node where the chain ends inwards: the variable if it is complete."""
    found: list[Link] = []
    node = root
    while True:
        match node:
            case ir.Ref(name=name) if not layer.let(name).indices:
                node = layer.let(name).value
                continue
            case ir.Neg(arg=arg):
                found.append(Link("neg", None))
                node = arg
                continue
            case ir.Binary(op=op, left=left, right=right):
                reads = [variable in variables(side, layer) for side in (left, right)]
                if reads == [True, False]:
                    found.append(Link(op, right))
                    node = left
                    continue
                if reads == [False, True] and op != "/":
                    found.append(Link("from" if op == "-" else op, left))
                    node = right
                    continue
            case _:
                pass
        return found[::-1], node
