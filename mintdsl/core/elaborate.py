"""Elaboration of a whole program: every layer and flow of every file to the typed core, in dependency order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mintdsl.core import ir
from mintdsl.core.acts import file_act
from mintdsl.core.extents import Extent, extent_of, within_limits
from mintdsl.core.flow import elaborate_flow
from mintdsl.core.layer import elaborate_layer
from mintdsl.core.net import elaborate_extern, elaborate_net
from mintdsl.core.order_items import file_order
from mintdsl.core.parts import check_mask
from mintdsl.core.scope import Entry, Locals, Scope, scopes, shortened
from mintdsl.core.values import Stop, Values
from mintdsl.diagnostics.model import Bag
from mintdsl.records import parts
from mintdsl.source import Span
from mintdsl.syntax import ast
from mintdsl.syntax.walk import params


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
        if entry.kind in ("layer", "flow") or entry.file == main:
            run.after_its_needs(entry)
            if entry.kind not in ("layer", "flow", "net"):
                run.other(entry, bag)
    provable = [e for e in own if e.file == main and e.kind in ("layer", "flow")]
    keys = tuple(e.key for e in provable if run.done.get(e.key) is not None)
    nets = {k: d for k, d in run.done.items() if isinstance(d, ir.Net)}
    definitions = {k: d for k, d in run.done.items() if isinstance(d, (ir.Layer, ir.Flow))}
    return ir.Program(definitions, nets, keys, dict(modules))


@dataclass(slots=True)
class _Elaborator:
    """Elaborates each definition after those that it needs, so that a long line of them is no deep recursion."""

    scopes: dict[str, Scope]
    bag: Bag
    done: dict[str, ir.Definition | ir.Net | None] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    extents: dict[str, Extent] = field(default_factory=dict)

    def after_its_needs(self, entry: Entry) -> None:
        """Elaborate `entry` and all that it needs, directly or not, those that need nothing first."""
        if entry.key in self.seen:
            return
        pending = self.scopes[entry.file].pending
        path = [(entry, self._needs(entry))]
        while path:
            current, needs = path[-1]
            self.seen.add(current.key)
            pending[current.key] = None
            following = next((need for need in needs if need.key not in self.seen), None)
            if following is not None:
                path.append((following, self._needs(following)))
                continue
            path.pop()
            if current.kind in ("layer", "flow", "net"):
                self.done[current.key] = self._elaborated(current)
                del pending[current.key]
            else:
                del pending[current.key]
                self.other(current, Bag(self.bag))  # who uses it hears what is wrong with it

    def _needs(self, entry: Entry) -> Iterator[Entry]:
        """The definitions whose names it mentions; of nets only those that are its parameters."""
        entries = self.scopes[entry.file].entries
        found = [entries[name] for name in dict.fromkeys(_mentioned(entry.item)) if name in entries]
        nets = {param.kind.call.name.id for param in params(entry.item) if isinstance(param.kind, ast.KindNet)}
        keys = {entries[name].key for name in nets if name in entries}
        apart = ("net", "layer", "flow") if entry.kind == "net" else ("net",)  # a net has no layers in it
        return iter([needed for needed in found if needed.kind not in apart or needed.key in keys])

    def definition(self, entry: Entry, span: Span) -> ir.Definition | ir.Net | None:
        """The elaborated layer, net or flow behind `entry`; None if it has errors (reported once)."""
        pending = self.scopes[entry.file].pending
        if entry.key in pending:
            keys = list(pending)
            chain = [k.rpartition("::")[2] for k in keys[keys.index(entry.key) :]]
            self.bag.error(
                "E0308",
                span,
                f"`{chain[0]}` is a part of itself"
                if entry.kind in ("net", "layer")
                else f"`{chain[0]}` is a step of itself",
                f"a {entry.kind} cannot contain itself",
                notes=(" -> ".join(shortened([*chain, chain[0]])),),
            )
            return None
        self.after_its_needs(entry)
        return self.done.get(entry.key)

    def _elaborated(self, entry: Entry) -> ir.Definition | ir.Net | None:
        scope = self.scopes[entry.file]
        match entry.item:
            case ast.Layer():
                return elaborate_layer(entry.item, scope, self.bag, self.definition)
            case ast.Flow():
                flow = elaborate_flow(entry.item, scope, self.bag, self.definition)
                if flow is not None:
                    extent = self.extents[entry.key] = extent_of(flow.steps, self.extents)
                    if not within_limits(flow, extent, self.bag):
                        return None
                return flow
            case ast.Net():
                return elaborate_net(entry.item, scope, self.bag, self.definition)
            case ast.Extern():
                return elaborate_extern(entry.item, scope, self.bag)
            case _:
                raise AssertionError(entry.kind)

    def other(self, entry: Entry, bag: Bag) -> None:
        """Checks a definition that is neither layer nor flow, even if nothing uses it."""
        values = Values(Locals(self.scopes[entry.file], "this file"), bag)
        with suppress(Stop):
            match entry.item:
                case ast.Const():
                    values.entry(entry)
                case ast.OrderDef():
                    file_order(entry, entry.item, values)
                case ast.ActNamed() | ast.ActDefined():
                    file_act(entry, entry.item, values)
                case ast.Space():
                    values.shape(ast.Shape(entry.item.name, (), entry.item.name.span))
                case ast.Mask():
                    check_mask(entry.item, values)
                case _:
                    pass


def _mentioned(item: ast.Item) -> Iterator[str]:
    """Every name in `item` that may be that of a definition: not those of arguments, formals and labels."""
    waiting: list[object] = [item]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Name():
                yield node.id
            case ast.Arg():
                waiting.append(node.value)
            case ast.Formal():
                waiting.append(node.default)
            case ast.Step():
                waiting.append(node.op)
            case _:
                waiting.extend(reversed(parts(node) or ()))
