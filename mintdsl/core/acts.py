"""Activations and initialisations by name: registered (with options), defined by the program, or formals."""

from __future__ import annotations

from itertools import chain

from mintdsl import limits
from mintdsl.core import ir
from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.formula import Formula
from mintdsl.core.inits import INITS
from mintdsl.core.nat import Nat
from mintdsl.core.option_values import bind_options
from mintdsl.core.options import OptionValue
from mintdsl.core.scope import BUILTIN, Entry, Locals, article, unknown
from mintdsl.core.values import RealFormal, Values, Variable, describe, not_yet
from mintdsl.core.walks import act_written, too_much
from mintdsl.source import Span
from mintdsl.syntax import ast

ACTS = (ir.BuiltinAct, ir.DefinedAct, ir.FormalAct)


def find_act(name: ast.Name, args: tuple[ast.Arg, ...], span: Span, values: Values) -> ir.Act | None:
    """An activation: registered (with options), defined by the program, or a formal."""
    local = values.names.values.get(name.id)
    if local is not None:
        if isinstance(local, ACTS) and not args:
            return local
        return values.wrong(span, "an activation", f"`{name.id}` is {describe(local)}")
    if values.names.silent(name.id):
        return None
    entry = values.names.scope.entries.get(name.id)
    if entry is not None:
        if isinstance(entry.item, (ast.ActNamed, ast.ActDefined)):
            return file_act(entry, entry.item, values)
        return values.wrong(span, "an activation", f"`{name.id}` is {article(entry.kind)}")
    info = ACTIVATIONS.get(name.id)
    if info is None:
        if name.id in BUILTIN:
            if BUILTIN[name.id] == "a function":
                not_yet(values.bag, span, f"the function `{name.id}`")
            return values.wrong(span, "an activation", f"`{name.id}` is {BUILTIN[name.id]}")
        unknown(
            name, [*ACTIVATIONS, *values.names.named(ACTS, "act")], values.bag, values.names.where, what="activation"
        )
        return None
    options = bind_options(args, info.options, f"`{info.name}`", span, values)
    if options is None:
        return None
    return ir.BuiltinAct(info.name, tuple(_real(options[o.name]) for o in info.options))


def file_act(entry: Entry, item: ast.ActNamed | ast.ActDefined, values: Values) -> ir.Act | None:
    """The activation that a file defines."""
    found = values.once(entry, item.name, lambda outer: act_item(item, outer))
    assert found is None or isinstance(found, (ir.BuiltinAct, ir.DefinedAct, ir.FormalAct))
    return found


def act_item(item: ast.ActNamed | ast.ActDefined, values: Values) -> ir.Act | None:
    """The activation that an `act` defines."""
    if isinstance(item, ast.ActNamed):
        return find_act(item.base, item.args, item.span, values)
    return _act_body(item, values)


def _act_body(item: ast.ActDefined, values: Values) -> ir.DefinedAct | None:
    """The activation `act NAME(u) = e`; its formula may use the variable, numbers and other activations."""
    names = Locals(values.names.scope, f"the activation `{item.name.id}`")
    for name, value in values.names.values.items():  # Real formals and numbers of the enclosing definition
        if isinstance(value, (RealFormal, Nat, ir.BuiltinAct, ir.DefinedAct, ir.FormalAct)):
            names.values[name] = value
            names.places[name] = values.names.places.get(name, item.span)
    names.poisoned |= values.names.poisoned
    inner = Values(names, values.bag, values.active)
    names.define(item.variable, Variable(ir.Shape("Any", (), "R")), values.bag)
    typed = Formula(inner, find_act).expr(item.value)
    if typed is None:
        return None
    act = ir.DefinedAct(item.name.id, item.variable.id, typed.expr)
    if too_much(act_written(act), limits.WRITTEN_OUT, item.name, values.bag):
        return None
    return act


def find_init(call: ast.Call, values: Values) -> ir.InitCall | None:
    """An initialisation, or a formal that stands for one."""
    local = values.names.values.get(call.name.id)
    if isinstance(local, ir.InitCall):
        return local
    info = INITS.get(call.name.id)
    if info is None:
        if not values.names.silent(call.name.id):
            unknown(
                call.name, chain(INITS, values.names.values), values.bag, "the initialisations", what="initialisation"
            )
        return None
    if not info.ready:
        not_yet(values.bag, call.span, f"the initialisation `{info.name}`")
    options = bind_options(call.args, info.options, f"`{info.name}`", call.span, values)
    if options is None:
        return None
    return ir.InitCall(info.name, tuple(_text(options[o.name]) for o in info.options))


def _text(value: OptionValue) -> float | str:
    return value if isinstance(value, str) else _real(value)


def _real(value: OptionValue) -> float | str:
    assert not isinstance(value, (tuple, Nat))  # of sizes there are none here
    return value if isinstance(value, str) else float(value)
