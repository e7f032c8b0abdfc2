"""Formals of definitions and the arguments that stand for them; an argument may mention formals of its own place."""

from __future__ import annotations

from itertools import chain

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.acts import find_act, find_init
from mintdsl.core.from_data import refuse_as_argument
from mintdsl.core.nat import Nat
from mintdsl.core.order_items import find_order
from mintdsl.core.orders import DIRECTIONS
from mintdsl.core.scope import BUILTIN, article, unknown
from mintdsl.core.values import DirFormal, RealFormal, Stop, Values, describe, not_yet, too_many
from mintdsl.diagnostics.model import Fix, Label
from mintdsl.syntax import ast

FORMAL_TYPES = ("Nat", "Real", "Dir", "Order", "Act", "Init")
TYPE_NAMES = {
    "Nat": "size",
    "Real": "number",
    "Dir": "direction",
    "Order": "order",
    "Act": "activation",
    "Init": "initialisation",
}


def bind_formals(
    formals: tuple[ast.Formal, ...], values: Values, positions: frozenset[str] = frozenset()
) -> tuple[ir.Formal, ...]:
    """Define the formals of a definition; those in `positions` are no sizes and may be 0."""
    if len(formals) > limits.FORMALS.most:
        too_many(len(formals), limits.FORMALS, formals[limits.FORMALS.most].span, values.bag)
        raise Stop
    result = []
    for formal in formals:
        if formal.type.id not in FORMAL_TYPES:
            unknown(formal.type, FORMAL_TYPES, values.bag, "the types of formals", what="type")
            values.names.define(formal.name, None, values.bag)
            continue
        default = None
        if formal.default is not None:
            default = argument(formal.default, formal.type.id, formal.name.id, values)
            if default is not None and mentions_formals(default):
                not_yet(values.bag, formal.default.span, "a default that depends on another formal")
            least = 0 if formal.name.id in positions else 1
            if isinstance(default, Nat) and default.constant is not None and default.constant < least:
                title = f"the default of `{formal.name.id}` is {default.constant}"
                values.bag.error("E0305", formal.default.span, title, f"sizes are at least {least}")
        values.names.define(formal.name, _symbol(formal), values.bag)
        result.append(
            ir.Formal(formal.name.id, formal.type.id, default, int(formal.name.id not in positions), formal.span)
        )
    return tuple(result)


def _symbol(formal: ast.Formal) -> object:
    name = formal.name.id
    match formal.type.id:
        case "Nat":
            return Nat.symbol(name)
        case "Real":
            return RealFormal(name)
        case "Dir":
            return DirFormal(name)
        case "Order":
            return ir.FormalOrder(name)
        case "Act":
            return ir.FormalAct(name)
        case _:
            return ir.InitCall(name, (), formal=True)


def argument(expr: ast.Expr, type_: str, formal: str, values: Values) -> ir.Argument | None:
    """The value of `expr` as an argument of a formal of type `type_`."""
    if type_ == "Nat":
        return values.nat(expr)
    if type_ == "Real":
        if isinstance(expr, ast.Name) and isinstance(values.names.values.get(expr.id), RealFormal):
            not_yet(values.bag, expr.span, "a Real formal passed on to another definition")
        return values.number(expr)
    if isinstance(expr, ast.Apply) and isinstance(expr.fn, ast.Name):
        name, args = expr.fn, expr.args
    elif isinstance(expr, ast.Name):
        name, args = expr, ()
    else:
        return values.wrong(expr.span, f"{article(TYPE_NAMES[type_])}", f"`{formal}` has type {type_}")
    if type_ in ("Act", "Init"):
        call = ast.Call(name, args, expr.span)
        found = find_act(name, args, expr.span, values) if type_ == "Act" else find_init(call, values)
        if isinstance(found, ir.InitCall) and refuse_as_argument(found, expr.span, values.bag):
            return None
        if found is not None and mentions_reals(found):
            not_yet(values.bag, expr.span, "a Real formal passed on to another definition")
        return found
    if type_ == "Order":
        return find_order(name, ir.Shape("Any", ()), values)
    return find_direction(name, values)


def find_direction(name: ast.Name, values: Values) -> ir.Direction | None:
    """`lower`, `upper`, or a Dir formal."""
    if name.id in DIRECTIONS:
        return name.id
    value = values.names.values.get(name.id)
    if isinstance(value, DirFormal):
        return value.name
    if values.names.silent(name.id):
        return None
    if value is None and name.id not in BUILTIN:
        formals = (n for n, v in values.names.values.items() if isinstance(v, DirFormal))
        unknown(name, chain(DIRECTIONS, formals), values.bag, values.names.where, what="direction")
        return None
    kind = describe(value) if value is not None else BUILTIN[name.id]
    title = (
        "the order of a layer is given by its member `order NAME`; a direction is lower, upper or a formal of type Dir"
    )
    fixes: tuple[Fix, ...] = (Fix(title),)
    if isinstance(value, ir.FormalOrder):
        fixes = (Fix(f"make it a direction: `{name.id}: Dir`", text="Dir"), *fixes)
    values.bag.error(
        "E0211",
        name.span,
        f"a direction (lower or upper) is needed here; `{name.id}` is {kind}",
        "not a direction",
        also=(Label(values.names.places[name.id], "declared here"),) if name.id in values.names.places else (),
        fixes=fixes,
    )
    return None


def mentions_formals(value: ir.Argument) -> bool:
    """Whether an argument depends on a formal of the definition it stands in."""
    match value:
        case Nat():
            return bool(value.symbols)
        case str():
            return value not in DIRECTIONS
        case ir.FormalAct() | ir.FormalOrder():
            return True
        case ir.InitCall():
            return value.formal or mentions_reals(value)
        case ir.BuiltinAct() | ir.DefinedAct():
            return mentions_reals(value)
        case _:
            return False


def mentions_reals(value: ir.Act | ir.InitCall) -> bool:
    """Whether an activation or initialisation contains a Real formal."""
    match value:
        case ir.FormalAct():
            return False
        case ir.InitCall():
            return value.name != "fan_in_uniform" and any(isinstance(o, str) for o in value.options)
        case ir.BuiltinAct():
            return any(isinstance(o, str) for o in value.options)
        case ir.DefinedAct():
            stack: list[ir.Expr] = [value.body]
            while stack:
                node = stack.pop()
                match node:
                    case ir.Scalar(value=str()):
                        return True
                    case ir.Apply():
                        if isinstance(node.act, ir.FormalAct) or mentions_reals(node.act):
                            return True
                        stack.append(node.arg)
                    case ir.Neg():
                        stack.append(node.arg)
                    case ir.Binary():
                        stack += [node.left, node.right]
                    case _:
                        pass
            return False
