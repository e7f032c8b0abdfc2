"""The functions of formulas that only say where entries stand: `join`, `spread`, `pick`."""

from __future__ import annotations

from collections.abc import Callable

from mintdsl.core import ir
from mintdsl.core.typed import Typed
from mintdsl.core.values import Values
from mintdsl.diagnostics.model import Bag, Fix, Label
from mintdsl.records import replace
from mintdsl.syntax import ast

Elaborate = Callable[[ast.Expr], Typed | None]

HANDLED = ("join", "spread", "pick")


def is_join(node: ast.Expr) -> bool:
    """Whether `node` is `join(...)`."""
    return isinstance(node, ast.Apply) and isinstance(node.fn, ast.Name) and node.fn.id == "join"


def join(node: ast.Apply, split: ir.Split | None, shape: ir.Shape, expr: Elaborate, bag: Bag) -> Typed | None:
    """`join(a, e)`: one formula for each part of the split, in the order of their names."""
    if split is None:
        bag.error("E0213", node.span, "`join` without a `split`", "nothing was cut into parts")
        return None
    args = list(node.args)
    last = args[-1].value if args else None
    if len(args) == len(split.parts) + 1 and isinstance(last, ast.Name) and last.id == split.how:
        args.pop()  # `join(u, v, thirds)` names the split
    if len(args) != len(split.parts) or any(a.name is not None for a in args):
        bag.error(
            "E0209",
            node.span,
            f"`join` takes one formula for each of the {len(split.parts)} parts, {len(args)} given",
            "not one for each part",
            also=(Label(split.span, f"parts: {', '.join(split.parts)}"),),
        )
        return None
    found = []
    for arg, name, wanted in zip(args, split.parts, split.shapes, strict=True):
        typed = expr(arg.value)
        if typed is None:
            return None
        if typed.shape != wanted:
            bag.error(
                "E0301",
                arg.value.span,
                f"this takes the place of `{name}`, which is `{wanted}`, and is `{typed.shape or 'a number'}`",
                str(typed.shape or "a number"),
                also=(Label(split.span, f"`{name}` is a part of this split"),),
                fixes=(Fix(f"take the places of `{name}`: `pick(..., {name})`"),) if wanted.part is not None else (),
            )
            return None
        found.append(typed.expr)
    return Typed(ir.Join(tuple(found), node.span), shape)


def structural(node: ast.Apply, word: str, split: ir.Split | None, expr: Elaborate, values: Values) -> Typed | None:
    """`spread(a)` and `pick(e, b)`; `join` anywhere but at the end of a layer is refused."""
    bag = values.bag
    if word == "join":
        bag.error("E0213", node.span, "`join` stands at the end of a layer", "inside a formula")
        return None
    masked = split is not None and split.functional is not None
    if split is None or not masked:
        title = f"`{word}` is for the parts of a mask, such as `checkerboard`"
        why = "nothing was split" if split is None else f"parts of `{split.how}` have the plain smaller shape"
        bag.error("E0213", node.span, title, why)
        return None
    count = 1 if word == "spread" else 2
    if len(node.args) != count or any(a.name is not None for a in node.args):
        shown = "`spread(a)`" if word == "spread" else "`pick(e, b)`"
        bag.error("E0210", node.span, f"write {shown}", f"{len(node.args)} arguments given")
        return None
    inner = expr(node.args[0].value)
    if inner is None:
        return None
    if word == "spread":
        if not isinstance(inner.expr, ir.Var) or inner.shape is None or inner.shape.part is None:
            bag.error("E0304", node.args[0].value.span, "`spread` takes a part by its name", "not the name of a part")
            return None
        return Typed(ir.Spread(inner.expr, node.span), replace(inner.shape, part=None))
    part = node.args[1].value
    if not isinstance(part, ast.Name) or part.id not in split.parts:
        bag.error("E0211", part.span, f"a part is needed here: {', '.join(split.parts)}", "not a part")
        return None
    wanted = split.shapes[split.parts.index(part.id)]
    if inner.shape is not None and inner.shape != replace(wanted, part=None):
        title = f"`pick` takes the places of a part from `{replace(wanted, part=None)}`, this is `{inner.shape}`"
        bag.error("E0301", node.args[0].value.span, title, str(inner.shape))
        return None
    return Typed(ir.Pick(inner.expr, part.id, node.span), wanted)
