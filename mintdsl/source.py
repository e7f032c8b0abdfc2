"""Program text and places in it.

A `Span` is a pair of character offsets into one file: the only form that terminals (cells),
editors (UTF-16 columns) and fixes (offsets) can all be derived from.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple


class Span(NamedTuple):
    """Characters `start` to `end` (exclusive) of the file named `file`."""

    file: str
    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.file, self.start, other.end)

    def begin(self) -> Span:
        """The empty span at the start of this one."""
        return Span(self.file, self.start, self.start)


class Position(NamedTuple):
    """Line and column, both counted from one, as people read them."""

    line: int
    column: int


NOWHERE = Span("", 0, 0)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file and the offsets at which its lines start."""

    file: str
    text: str
    line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        object.__setattr__(self, "line_starts", tuple(starts))

    def position(self, offset: int) -> Position:
        """Line and column of a character offset."""
        line = bisect_right(self.line_starts, offset)
        return Position(line, offset - self.line_starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """The text of line `number` (from one), without its line end."""
        start, end = self.extent(number)
        return self.text[start:end]

    def extent(self, number: int) -> tuple[int, int]:
        """The offsets between which line `number` stands, without its line end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        while end > start and self.text[end - 1] in "\r\n":
            end -= 1
        return start, end

    def slice(self, span: Span) -> str:
        """The characters that `span` covers."""
        return self.text[span.start : span.end]
