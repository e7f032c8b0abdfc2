"""Sizes, shapes and arguments as Python text."""

from __future__ import annotations

from collections.abc import Mapping

from mintdsl.core import ir
from mintdsl.core.nat import Nat
from mintdsl.core.orders import Order

Renaming = Mapping[str, str]


def size(value: Nat, names: Renaming) -> str:
    """A size in Python names; divisions are known to be exact."""
    return " ".join(names.get(word, word) for word in value.text(" // ").split(" "))


def residue(split: ir.Split, part: str, names: Renaming) -> str:
    """The residue of the places of a part, as text."""
    place, count = split.parts.index(part), len(split.parts)
    if split.start.constant is not None:
        return str((split.start.constant + place) % count)
    start = size(split.start, names)
    return f"({start} + {place}) % {count}" if place else f"{start} % {count}"


def shape(value: ir.Shape, names: Renaming) -> str:
    """A shape as a tuple."""
    if value.kind == "Any":
        return "shape"
    return listed([size(d, names) for d in value.dims])


def event(value: ir.Shape, owner: ir.Layer | ir.Net, names: Renaming) -> str:
    """A shape in the methods of a layer: the layer's own, or that of a part."""
    return "self.event_shape" if value == owner.shape else shape(value, names)


def listed(parts: list[str]) -> str:
    """A tuple."""
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def real(value: float | str, names: Renaming) -> str:
    """A number, or what a Real formal is called."""
    return names[value] if isinstance(value, str) else repr(value)


def order(value: Order) -> str:
    """The rows of an order."""
    return listed([listed([str(v) for v in row]) for row in value.rows])


def act_object(act: ir.Act, names: Renaming) -> str:
    """An expression that makes the Activation."""
    match act:
        case ir.FormalAct():
            return names[act.name]
        case ir.DefinedAct():
            return f"act_own_{act.name}()"
        case ir.BuiltinAct():
            return f"act_{act.name}({', '.join(real(o, names) for o in act.options)})"


def init_object(init: ir.InitCall, names: Renaming) -> str:
    """An expression that makes the initialisation, a function of a tensor and its Place."""
    if init.formal:
        return names[init.name]
    function, options = init_call(init, names)
    return f"partial({function}, {options})" if options else function


def init_call(init: ir.InitCall, names: Renaming) -> tuple[str, str]:
    """The function of an initialisation and its options."""
    words = {"normal": ("std",), "near_identity": ("std",), "xavier_normal": ("gain",)}.get(init.name, ())
    options = ", ".join(f"{word}={real(v, names)}" for word, v in zip(words, init.options, strict=False))
    return INIT_FUNCTIONS[init.name], options


INIT_FUNCTIONS = {
    "zeros": "fill_zeros",
    "ones": "fill_ones",
    "normal": "fill_normal",
    "identity": "fill_identity",
    "orthogonal": "fill_orthogonal",
    "near_identity": "near_identity",
    "xavier_normal": "xavier_normal",
    "fan_in_uniform": "fan_in_uniform",
}


def argument(value: ir.Argument, names: Renaming) -> str:
    """An argument of a use, or a default."""
    match value:
        case Nat():
            return size(value, names)
        case float():
            return repr(value)
        case str():
            return names.get(value, f'"{value}"')
        case ir.BuiltinAct() | ir.DefinedAct() | ir.FormalAct():
            return act_object(value, names)
        case ir.InitCall():
            return init_object(value, names)
        case ir.FormalOrder():
            return names[value.name]
        case Order():
            return order(value)
