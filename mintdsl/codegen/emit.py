"""Python text, line by line: indentation, wrapping, docstrings. Layout is what `ruff format` would leave alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap

WIDTH = 120


class Writer:
    """Collects lines; `block` indents."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def __call__(self, text: str = "") -> None:
        """One line, or an empty one."""
        self.lines.append("    " * self.depth + text if text else "")

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """`header` and an indented block after it."""
        self(header)
        self.depth += 1
        yield
        self.depth -= 1

    @contextmanager
    def indented(self) -> Iterator[None]:
        """An indented block whose header is written already."""
        self.depth += 1
        yield
        self.depth -= 1

    def call(self, before: str, args: Sequence[str], after: str) -> None:
        """`before(args)after` on one line, or one argument a line where that is too long."""
        line = f"{before}({', '.join(args)}){after}"
        if len(line) + 4 * self.depth <= WIDTH:
            self(line)
            return
        self(before + "(")
        for arg in args:
            self(f"    {arg},")
        self(")" + after)

    def braces(self, before: str, items: Sequence[str]) -> None:
        """The items of a dictionary after `before`."""
        line = f"{before}{{{', '.join(items)}}}"
        if len(line) + 4 * self.depth <= WIDTH:
            self(line)
            return
        self(before + "{")
        for item in items:
            self(f"    {item},")
        self("}")

    def tuple(self, before: str, items: Sequence[str]) -> None:
        """A tuple of items after `before`."""
        if len(items) == 1:
            self(f"{before}({items[0]},)")
        else:
            self.call(before, items, "")

    def doc(self, text: str) -> None:
        """A docstring; text of a spec cannot leave it."""
        room = WIDTH - 4 * self.depth - 6
        lines = [part for line in safe(text).split("\n") for part in (wrap(line, room) if len(line) > room else [line])]
        if len(lines) == 1:
            self(f'"""{lines[0]}"""')
            return
        self(f'"""{lines[0]}')
        for line in lines[1:]:
            self(line.rstrip())
        self('"""')

    def text(self) -> str:
        """Everything written, ending in one newline."""
        return "\n".join(self.lines).rstrip("\n") + "\n"


def safe(text: str) -> str:
    """Text of a spec inside a docstring: no quote, escape or control character of its own."""
    kept = "".join(c if c == "\n" or c.isprintable() else " " for c in text)
    kept = kept.replace("\\", "/").replace('"""', "'''")
    return kept[:-1] + "'" if kept.endswith('"') else kept
