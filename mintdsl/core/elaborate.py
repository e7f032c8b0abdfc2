"""Elaboration of a whole program: every layer and flow of every file to the typed core, in dependency order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mintdsl.core import ir
from mintdsl.core.acts import act_item
from mintdsl.core.flow import elaborate_flow
from mintdsl.core.layer import elaborate_layer, elaborate_net
from mintdsl.core.order_items import order_item
from mintdsl.core.scope import Entry, Locals, Scope, scopes
from mintdsl.core.values import Stop, Values, not_yet
from mintdsl.diagnostics.model import Bag
from mintdsl.source import Span
from mintdsl.syntax import ast


def elaborate(
    modules: Mapping[str, ast.Module], resolved: Mapping[tuple[str, str], str], main: str, bag: Bag
) -> ir.Program:
    """The typed core of `main` and of all it uses.

    What is imported but neither used nor named is not elaborated: a file may import from one that this version
    only knows in part.
    """
    run = _Elaborator(scopes(modules, resolved, bag), bag)
    own = [entry for entry in run.scopes[main].entries.values()]
    for entry in own:
        if entry.kind in ("layer", "flow") or (isinstance(entry.item, ast.Net) and entry.file == main):
            run.definition(entry, entry.item.span)
        elif entry.file == main:
            run.other(entry)
    provable = [e for e in own if e.file == main and e.kind in ("layer", "flow")]
    keys = tuple(e.key for e in provable if run.done.get(e.key) is not None)
    nets = {k: d for k, d in run.done.items() if isinstance(d, ir.Net)}
    definitions = {k: d for k, d in run.done.items() if isinstance(d, (ir.Layer, ir.Flow))}
    return ir.Program(definitions, nets, keys, dict(modules))


@dataclass(slots=True)
class _Elaborator:
    scopes: dict[str, Scope]
    bag: Bag
    done: dict[str, ir.Definition | ir.Net | None] = field(default_factory=dict)
    active: list[str] = field(default_factory=list)

    def definition(self, entry: Entry, span: Span) -> ir.Definition | ir.Net | None:
        """The elaborated layer or flow behind `entry`; None if it has errors (reported once)."""
        if entry.key in self.done:
            return self.done[entry.key]
        if entry.key in self.active:
            chain = [k.rpartition("::")[2] for k in self.active[self.active.index(entry.key) :]]
            self.bag.error(
                "E0308",
                span,
                f"`{chain[0]}` is a step of itself",
                "a flow cannot contain itself",
                notes=(" -> ".join([*chain, chain[0]]),),
            )
            return None
        self.active.append(entry.key)
        scope = self.scopes[entry.file]
        result: ir.Definition | ir.Net | None = None
        match entry.item:
            case ast.Layer():
                result = elaborate_layer(entry.item, scope, self.bag)
            case ast.Flow():
                result = elaborate_flow(entry.item, scope, self.bag, self.definition)
            case ast.Net():
                result = elaborate_net(entry.item, scope, self.bag)
            case _:
                raise AssertionError(entry.kind)
        self.active.pop()
        self.done[entry.key] = result
        return result

    def other(self, entry: Entry) -> None:
        """Checks a definition that is neither layer nor flow, even if nothing uses it."""
        values = Values(Locals(self.scopes[entry.file], "this file"), self.bag)
        try:
            match entry.item:
                case ast.Const():
                    values.entry(entry)
                case ast.OrderDef():
                    order_item(entry.item, self.bag)
                case ast.ActNamed() | ast.ActDefined():
                    outer = values.outer(entry, entry.item.name)
                    if outer is not None:
                        act_item(entry.item, outer)
                case ast.Space():
                    values.shape(ast.Shape(entry.item.name, (), entry.item.name.span))
                case ast.Mask():
                    not_yet(self.bag, entry.item.span, "`mask`")
                case ast.Extern():
                    not_yet(self.bag, entry.item.name.span, "an extern net")
                case _:
                    pass
        except Stop:
            pass
