"""Names: what each file defines and imports, what a definition sees, and what to say of unknown ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mintdsl.core.activations import ACTIVATIONS
from mintdsl.core.bijections import BIJECTIONS
from mintdsl.core.claim_words import CLAIMS, KINDS_OF
from mintdsl.core.inits import INITS
from mintdsl.core.kinds import KINDS
from mintdsl.core.nat import Nat
from mintdsl.core.orders import DIRECTIONS, ORDERS
from mintdsl.core.steps import CONDITIONER_FUNCTIONS, MASKS, PRIORS, SHAPES, STRUCTURAL
from mintdsl.diagnostics.model import Bag, Diagnostic, Label
from mintdsl.records import record
from mintdsl.source import Span
from mintdsl.syntax import ast
from mintdsl.syntax.suggest import meant, others, suggest

BUILTIN: dict[str, str] = {
    **{name: "a shape" for name in SHAPES},
    **{name: "a function" for name in (*ACTIVATIONS, *STRUCTURAL, *BIJECTIONS, *CONDITIONER_FUNCTIONS)},
    **{name: "an initialisation" for name in INITS},
    **{name: "a kind of parameter" for name in KINDS},
    **{name: "a direction" for name in DIRECTIONS},
    **{name: "an order" for name in ORDERS},
    **{name: "a mask" for name in MASKS},
    **{name: "a prior" for name in PRIORS},
    **{name: "a word of claims and constraints" for name in ("det", *CLAIMS) if name not in (*DIRECTIONS, *KINDS_OF)},
}

ItemKind = Literal["const", "space", "order", "mask", "act", "layer", "net", "flow"]


@record
class Entry:
    """A definition visible in a file, and the file that makes it."""

    kind: ItemKind
    item: ast.Item
    file: str

    @property
    def key(self) -> str:
        """Its name in the whole program."""
        assert not isinstance(self.item, ast.Import)
        return f"{self.file}::{self.item.name.id}"


@record
class Scope:
    """What one file sees; `poisoned` names are neither found nor reported.

    What all files share: `files` are their scopes, `made` the values of definitions by key, `pending` the keys of
    those that wait for another one.
    """

    file: str
    entries: Mapping[str, Entry]
    poisoned: frozenset[str]
    files: Mapping[str, Scope] = field(repr=False, compare=False)
    made: dict[str, Known] = field(repr=False, compare=False)
    pending: dict[str, None] = field(repr=False, compare=False)


@record
class Known:
    """A value that was worked out once, and what was reported on the way; `stopped`: it uses what is not built yet."""

    value: object | None
    diagnostics: tuple[Diagnostic, ...]
    stopped: bool


def article(kind: str) -> str:
    """`a layer`, `an order`."""
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def kind_of(item: ast.Item) -> ItemKind:
    """The word that defines `item`."""
    match item:
        case ast.Const():
            return "const"
        case ast.Space():
            return "space"
        case ast.OrderDef():
            return "order"
        case ast.Mask():
            return "mask"
        case ast.ActNamed() | ast.ActDefined():
            return "act"
        case ast.Layer():
            return "layer"
        case ast.Net() | ast.Extern():
            return "net"
        case ast.Flow():
            return "flow"
        case ast.Import():
            raise AssertionError("an import is not a definition")


def own_entries(file: str, module: ast.Module, bag: Bag) -> dict[str, Entry]:
    """The definitions of one file, imports not counted; names defined twice are reported."""
    entries: dict[str, Entry] = {}
    places: dict[str, Span] = {}
    for item in module.items:
        if isinstance(item, ast.Import):
            continue
        if defined_twice(item.name, places, bag):
            continue
        places[item.name.id] = item.name.span
        entries[item.name.id] = Entry(kind_of(item), item, file)
    return entries


def defined_twice(name: ast.Name, places: Mapping[str, Span], bag: Bag) -> bool:
    """Report `name` if it is a word of the language or stands in `places` already."""
    if name.id in BUILTIN:
        bag.error(
            "E0206",
            name.span,
            f"`{name.id}` is {BUILTIN[name.id]} of the language and cannot be redefined",
            "choose another name",
        )
        return True
    if name.id in places:
        bag.error(
            "E0204",
            name.span,
            f"`{name.id}` is defined twice",
            "defined again here",
            also=(Label(places[name.id], "first defined here"),),
        )
        return True
    return False


def scopes(modules: Mapping[str, ast.Module], resolved: Mapping[tuple[str, str], str], bag: Bag) -> dict[str, Scope]:
    """The scope of every file; `resolved` maps (importing file, import path) to the imported file."""
    own = {file: own_entries(file, module, bag) for file, module in modules.items()}
    result: dict[str, Scope] = {}
    made: dict[str, Known] = {}
    pending: dict[str, None] = {}
    for file, module in modules.items():
        entries = dict(own[file])
        poisoned = set(module.poisoned)
        places = {
            name: entry.item.name.span for name, entry in entries.items() if not isinstance(entry.item, ast.Import)
        }
        for item in module.items:
            if not isinstance(item, ast.Import):
                continue
            target = resolved.get((file, item.path))
            for name in item.names:
                if target is None or name.id in modules[target].poisoned:
                    poisoned.add(name.id)
                elif name.id not in own[target]:
                    unknown(name, own[target], bag, f"`{item.path}`", code="E0207", what="definition")
                    poisoned.add(name.id)
                elif not defined_twice(name, places, bag):
                    places[name.id] = name.span
                    entries[name.id] = own[target][name.id]
        result[file] = Scope(file, entries, frozenset(poisoned), result, made, pending)
    return result


FEW = 8
"""So many names are listed where none is close."""


def shortened(names: list[str]) -> list[str]:
    """A list of names for a message: of a long one the beginning and the end."""
    return names if len(names) <= 12 else [*names[:6], f"... ({len(names) - 12} more) ...", *names[-6:]]


def unknown(
    name: ast.Name, candidates: Iterable[str], bag: Bag, where: str, *, code: str = "E0201", what: str = "name"
) -> None:
    """Report that `name` is not defined, with the names that are close; `candidates` are all of the right kind."""
    known = list(dict.fromkeys(candidates))
    close = suggest(name.id, known) if bag.hint() else ()
    title = f"unknown {what} `{name.id}`" + (f"; did you mean `{close[0]}`?" if close else "")
    few = (f"known here: {', '.join(f'`{k}`' for k in known)}",) if not close and 0 < len(known) <= FEW else ()
    fixes = meant(name.span, close, everywhere=code == "E0207")
    bag.error(code, name.span, title, f"not found in {where}", notes=others(close) or few, fixes=fixes)


@dataclass(slots=True)
class Locals:
    """The names of one definition, over those of its file. Values are given by the elaborator.

    `sizes` are the names that the shape after `on` binds; they are a space of their own, so that a layer on
    `Image[C, H, W]` may call its matrix `W`.
    """

    scope: Scope
    where: str
    values: dict[str, object] = field(default_factory=dict)
    sizes: dict[str, Nat] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)

    def define(self, name: ast.Name, value: object | None, bag: Bag, hides: str = "") -> None:
        """Bind `name`; None poisons it, so that its uses stay silent. It may hide a word of the kind `hides`."""
        entry = self.scope.entries.get(name.id)
        places: Mapping[str, Span] = self.places
        if entry is not None and name.id not in places and not isinstance(entry.item, ast.Import):
            places = {name.id: entry.item.name.span}
        if BUILTIN.get(name.id, "") != (hides or None) and defined_twice(name, places, bag):
            self.poisoned.add(name.id)
            return
        self.places[name.id] = name.span
        if value is None:
            self.poisoned.add(name.id)
        else:
            self.values[name.id] = value

    def unknown(self, name: str) -> bool:
        """Whether nothing is called `name` here."""
        return name not in self.values and name not in self.scope.entries and not self.silent(name)

    def silent(self, name: str) -> bool:
        """Whether an error about `name` was reported already."""
        return name in self.poisoned or name in self.scope.poisoned

    def named(self, types: tuple[type, ...], *kinds: ItemKind) -> list[str]:
        """The names that may have been meant: of local values of these types, of definitions of these kinds."""
        local = [name for name, value in self.values.items() if isinstance(value, types)]
        return [*local, *(name for name, entry in self.scope.entries.items() if entry.kind in kinds)]
