"""Formulas as chains of links: what is done to a variable, one operation after the other, with what does not read it.

`(b + m) * s` is the chain `+ m`, `* s` of b, if m and s do not read b. Each link can be undone alone, so a chain is
inverted from its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mintdsl.core import ir
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.postorder import below, operands, postorder
from mintdsl.core.walks import needed_lets

APPLIED = (ir.Inline, ir.Exponential, ir.Cayley)
"""What is undone as a whole, and stands nowhere else."""


WHOLE = ("layer", "det", "exp", "perm")
"""Words of links whose operand is their application itself."""


class Link(NamedTuple):
    """`word` is what becomes of a value v: `v + e`, `v - e`, `e - v` (word `from`), `v * e`, `v / e`, `-v` (neg).

    Or, word the name of a bijection (`rq_spline`), the operand with v as its argument; of a layer that is applied
    (word `layer`), of a map whose determinant is kept (word `det`), of the exponential of one (word `exp`), and of a
    permutation (word `perm`), the operand is the application itself.
    """

    word: str
    operand: ir.Expr | None

    @property
    def taken(self) -> tuple[ir.Expr, ...]:
        """The formulas that it takes from elsewhere."""
        if self.operand is None or self.word in WHOLE:
            return ()
        return operands(self.operand)[1:] if self.word in BIJECTIONS else (self.operand,)


def links(layer: ir.Layer, variable: str, root: ir.Expr) -> tuple[list[Link], ir.Expr]:
    """The links from `variable` outwards, and the node where the chain ends inwards: the variable if it is complete.

    Of a layer that is not split, what is strict counts as not reading the variable: it reads other coordinates only.
    """
    moved = _reading(layer, variable, root)
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
            case ir.Bend(bijection=name, arg=arg, params=params) if not any(moved[id(one)] for one in params):
                found.append(Link(name, node))
                node = arg
                continue
            case ir.Binary(op=op, left=left, right=right):
                reads = [moved[id(side)] for side in (left, right)]
                if reads == [True, False]:
                    found.append(Link(op, right))
                    node = left
                    continue
                if reads == [False, True] and op != "/":
                    found.append(Link("from" if op == "-" else op, left))
                    node = right
                    continue
            case ir.Inline(arg=arg) if moved[id(node)]:
                found.append(Link("layer", node))
                node = arg
                continue
            case ir.Linear(param=name, arg=arg) if layer.param(name).factored and moved[id(node)]:
                found.append(Link("det", node))
                node = arg
                continue
            case ir.Linear(param=name, arg=arg) if isinstance(layer.param(name).kind, ir.Perm) and moved[id(node)]:
                found.append(Link("perm", node))
                node = arg
                continue
            case ir.Exponential(arg=arg) if moved[id(node)]:
                found.append(Link("exp", node))
                node = arg
                continue
            case _:
                pass
        return found[::-1], node


def beside(layer: ir.Layer, root: ir.Expr, taken: Sequence[ir.Expr]) -> ir.Inline | ir.Exponential | ir.Cayley | None:
    """A layer, exponential or Cayley map that a formula applies, through lets too, and not as a link of `taken`."""
    known = {id(node) for node in taken}
    formulas = (root, *(item.value for item in needed_lets(root, layer)))
    return next((node for node in below(*formulas) if isinstance(node, APPLIED) and id(node) not in known), None)


def _reading(layer: ir.Layer, variable: str, root: ir.Expr) -> dict[int, bool]:
    """Of every node, by its id, whether it reads the variable: once for all, since a chain is as long as its text."""
    found: dict[int, bool] = {}
    lets: dict[str, bool] = {}
    for name, formula in (*((item.name, item.value) for item in layer.lets), ("", root)):
        done: list[bool] = []
        for node in postorder(formula):
            match node.expr:
                case ir.Var(name=own):
                    done.append(own == variable)
                case ir.Ref(name=own):
                    done.append(lets[own])
                case ir.Call() | ir.Chain() if layer.split is None:
                    done.append(False)  # strict, or nothing would be proved
                case ir.Linear(param=own) if layer.split is None and getattr(layer.param(own).kind, "strict", False):
                    done.append(False)
                case _:
                    done.append(any(done[k] for k in node.operands))
            found[id(node.expr)] = done[-1]
        lets[name] = done[-1]
    return found
