"""Sizes, shapes and arguments as Python text."""

from __future__ import annotations

import math

from mintdsl.codegen.naming import OWN
from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order


def size(value: Nat) -> str:
    """A size as an expression in the names of the constructor; divisions are known to be exact."""
    return value.text(" // ")


def shape(value: ir.Shape) -> str:
    """A shape as a tuple."""
    if value.kind == "Any":
        return "shape"
    parts = [size(d) for d in value.dims]
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def product(value: ir.Shape) -> str:
    """The number of elements."""
    constants = [d.constant for d in value.dims]
    known = [c for c in constants if c is not None]
    return str(math.prod(known)) if len(known) == len(constants) else " * ".join(f"({size(d)})" for d in value.dims)


def attribute(formal: str) -> str:
    """The attribute that keeps a formal."""
    return f"{formal}_" if formal in OWN else formal


def real(value: float | str) -> str:
    """A number, or the attribute of a Real formal."""
    return f"self.{attribute(value)}" if isinstance(value, str) else repr(value)


def order(value: Order | ir.FormalOrder) -> str:
    """The rows of an order."""
    if isinstance(value, ir.FormalOrder):
        return "self.order"
    rows = ", ".join("(" + ", ".join(map(str, row)) + ("," if len(row) == 1 else "") + ")" for row in value.rows)
    return f"({rows},)" if len(value.rows) == 1 else f"({rows})"


def act_object(act: ir.Act, *, inside: bool) -> str:
    """An expression that makes the Activation; `inside` a class its formals are attributes."""
    match act:
        case ir.FormalAct():
            return f"self.{attribute(act.name)}" if inside else act.name
        case ir.DefinedAct():
            return f"act_{act.name}()"
        case ir.BuiltinAct():
            return f"act_{act.name}({', '.join(real(o) for o in act.options)})"


def init_object(init: ir.InitCall) -> str:
    """An expression that makes the initialisation, a function of a tensor and its Place."""
    if init.formal:
        return f"self.{attribute(init.name)}"
    names = {"normal": ("std",), "near_identity": ("std",), "xavier_normal": ("gain",)}.get(init.name, ())
    options = ", ".join(f"{n}={real(v)}" for n, v in zip(names, init.options, strict=False))
    function = INIT_FUNCTIONS[init.name]
    return f"partial({function}, {options})" if options else function


INIT_FUNCTIONS = {
    "zeros": "fill_zeros",
    "ones": "fill_ones",
    "normal": "fill_normal",
    "identity": "fill_identity",
    "near_identity": "near_identity",
    "xavier_normal": "xavier_normal",
    "fan_in_uniform": "fan_in_uniform",
}


def argument(value: ir.Argument) -> str:
    """An argument of a use, in the constructor of the using flow."""
    match value:
        case Nat():
            return size(value)
        case float():
            return repr(value)
        case str():
            return f'"{value}"' if value in ("lower", "upper") else value
        case ir.BuiltinAct() | ir.DefinedAct() | ir.FormalAct():
            return act_object(value, inside=False)
        case ir.InitCall():
            return value.name if value.formal else init_object(value)
        case ir.FormalOrder():
            return value.name
        case Order():
            return order(value)
