"""The proof: a tree of rule applications, and its text."""

from __future__ import annotations

from collections.abc import Callable

from mintdsl.records import record
from mintdsl.source import Span


@record
class Derivation:
    """`subject` has the property `conclusion` by `rule`, from the `premises`."""

    rule: str
    subject: Span
    conclusion: str
    premises: tuple[Derivation, ...] = ()
    note: str = ""
    title: str = ""

    def rules(self) -> frozenset[str]:
        """The rules that the tree uses."""
        found: set[str] = set()
        stack = [self]
        while stack:
            node = stack.pop()
            found.add(node.rule)
            stack.extend(node.premises)
        return frozenset(found)


def lines(tree: Derivation, text: Callable[[Span], str], *, width: int = 44) -> list[str]:
    """The tree as lines: expression, conclusion, rule; premises indented. `text` gives the source of a span."""
    rows: list[tuple[str, str, str]] = []
    stack = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        subject = node.title or " ".join(text(node.subject).split())
        subject = "  " * depth + subject
        rule = node.rule + (f"  ({node.note})" if node.note else "")
        rows.append((subject, node.conclusion, rule))
        stack.extend((p, depth + 1) for p in reversed(node.premises))
    first = min(max(len(r[0]) for r in rows), width)
    second = min(max(len(r[1]) for r in rows), 60)
    return [f"{_clip(a, first):<{first}}  {b:<{second}}  {c}".rstrip() for a, b, c in rows]


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
