"""Where a repair is made: a diagnostic with one of its fixes, the definition around it, and edits of the text there."""

from __future__ import annotations

import re
from itertools import chain, count

from mintdsl.diagnostics.model import Diagnostic, Edit, Fix
from mintdsl.records import record
from mintdsl.source import Source, Span
from mintdsl.syntax import ast
from mintdsl.syntax.walk import Node, name_of, nodes, params

Edits = tuple[Edit, ...]


@record
class Site:
    """A diagnostic and one of its fixes, the definition that it speaks of, and the text."""

    found: Diagnostic
    fix: Fix
    item: ast.Item
    source: Source

    @property
    def primary(self) -> Span:
        """The span of the primary label."""
        return self.found.primary

    @property
    def body(self) -> ast.Map | None:
        """The map of a layer or net."""
        return self.item.body if isinstance(self.item, ast.Layer | ast.Net) else None

    def text(self, span: Span) -> str:
        """The characters of `span`."""
        return self.source.slice(span)

    def at(self, span: Span) -> Node | None:
        """The formula that covers exactly `span`."""
        return next((node for node in nodes(self.item) if node.expr.span == span), None)

    def param(self, name: str) -> ast.Param | None:
        """The declaration that `name` has for itself: a change of it changes no other parameter."""
        return next((p for p in params(self.item) if [b.name.id for b in p.binders] == [name]), None)

    def kind(self) -> ast.KindMap | None:
        """The kind of a parameter at the primary label."""
        kinds = (p.kind for p in params(self.item) if p.kind.span == self.primary)
        return next((kind for kind in kinds if isinstance(kind, ast.KindMap)), None)

    def tied(self, name: str) -> bool:
        """Whether a tie speaks of the parameter `name`."""
        return any(node.tie and name_of(node.expr) == name for node in nodes(self.item, ties=True))

    def member(self, text: str) -> Edits:
        """`text` as a member of its own, in front of the map."""
        if self.body is None or not text:
            return ()
        start = self.body.span.start
        line = self.source.text[self.source.text.rfind("\n", 0, start) + 1 : start]
        return (Edit(self.body.span.begin(), f"{text}\n{'  ' if line.strip() else line}"),)

    def mentions(self, name: str) -> int:
        """How often the definition says `name`, comments included."""
        text = self.text(self.item.span)
        found, at = 0, text.find(name)
        while at >= 0:
            around = text[max(at - 1, 0) : at] + text[at + len(name) : at + len(name) + 1]
            found += not any(char.isalnum() or char == "_" for char in around)
            at = text.find(name, at + 1)
        return found

    def fresh(self, name: str) -> str:
        """`name`, or with a number behind it, so that the file does not use it."""
        taken = set(re.findall(r"\w+", self.source.text))
        return next(n for n in chain((name,), (f"{name}{i}" for i in count(1))) if n not in taken)


# ---------------------------------------------------------------- edits


def around(span: Span, before: str, after: str) -> Edits:
    return Edit(span.begin(), before), Edit(Span(span.file, span.end, span.end), after)


def constrained(param: ast.Param, cmp: str) -> Edits:
    """`with diag CMP 0` in a declaration: added to one without constraints, or in place of a bound at 0."""
    match param.constraints:
        case ():
            end = (param.place or param.kind).span
            return (Edit(Span(end.file, end.end, end.end), f" with diag {cmp} 0"),)
        case (ast.Constraint(name=ast.Name(id="diag"), value=ast.Number(value=0), via=None) as bound,):
            return (Edit(Span(bound.span.file, bound.name.span.end, bound.value.span.start), f" {cmp} "),)
        case _:
            return ()


def directed(site: Site, kind: ast.KindMap) -> Edits:
    """A direction for a kind that has none: behind its name, size and `strict`, before its options."""
    if kind.direction is not None:
        return ()
    head = site.text(kind.span).split("(", 1)[0].rstrip()
    place = kind.span.start + len(head)
    return (Edit(Span(kind.span.file, place, place), " lower"),)
