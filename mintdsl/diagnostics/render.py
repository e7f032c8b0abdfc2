"""Diagnostics as text for terminals: the source with labels under it, notes, and fixes as a difference.

Text that comes from files never reaches the terminal unchanged: control characters are shown escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from unicodedata import category, combining, east_asian_width

from mintdsl.diagnostics.model import Diagnostic, Example, Fix, Label, Safety, Severity, Tensor
from mintdsl.source import Position, Source

TAB = 4
FEW = 4  # numbers of a tensor that are all shown
LONG = 300
"""Characters of a line that are shown whole; of a longer one, as much around each label."""
BEFORE = 60
"""Characters that are shown before a label on a long line."""
_STYLES = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "title": "\x1b[1m",
    "frame": "\x1b[34m",
    "secondary": "\x1b[36m",
    "help": "\x1b[32m",
    "-": "\x1b[31m",
    "+": "\x1b[32m",
}
_RESET = "\x1b[0m"
_SAFETY = {
    Safety.SAFE: "(safe fix, `mint check --fix`)",
    Safety.UNSAFE: "(changes the program, `--fix --unsafe-fixes`)",
    Safety.DISPLAY: "",
}


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source], *, color: bool, width: int) -> str:
    """All of `diagnostics` in full, an empty line between them; long notes are wrapped to `width`."""
    page = _Page(sources, color, max(width, 40))
    return "\n".join(page.diagnostic(diagnostic) for diagnostic in diagnostics)


def concise(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> str:
    """One line each: `file:line:column: error[E0201]: title`."""
    lines = []
    for diagnostic in diagnostics:
        place = _position(diagnostic.primary.file, diagnostic.primary.start, sources)
        lines.append(f"{place}: {diagnostic.severity.value}[{diagnostic.code}]: {printable(diagnostic.title)}\n")
    return "".join(lines)


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`; nothing if there are none."""
    parts = []
    for severity in (Severity.ERROR, Severity.WARNING):
        count = sum(diagnostic.severity is severity for diagnostic in diagnostics)
        if count:
            parts.append(f"{count} {severity.value}{'s' * (count > 1)}")
    return ", ".join(parts)


def numbers(example: Example) -> list[str]:
    """What a counter-example is made of, `D = 2`, `W = [[1, 0], [2, 1]]`, `x = 0`; of large tensors the non-zeros."""
    parts = [f"{name} = {_number(v) if isinstance(v, float) else v}" for name, v in example.settings]
    taken = {name for name, _ in example.settings} | {tensor.name for tensor in example.inputs}
    named = [(f"param {t.name}" if t.name in taken else t.name, t) for t in example.parameters]
    rest = False
    for name, tensor in (*named, *((t.name, t) for t in example.inputs)):
        if len(tensor.numbers) <= FEW:
            parts.append(f"{name} = {_nested(tensor)}")
            continue
        shown = [(k, v) for k, v in enumerate(tensor.numbers) if v]
        parts += [f"{name}[{', '.join(map(str, _index(k, tensor.shape)))}] = {_number(v)}" for k, v in shown]
        rest = rest or len(shown) < len(tensor.numbers)
    return [*parts, *["all others 0"] * rest]


def in_words(example: Example) -> str:
    """A counter-example in one line: its numbers, and what is to be seen."""
    return f"{', '.join(numbers(example))}: {example.seen}"


def _nested(tensor: Tensor) -> str:
    """`2`, `[1, 2]`, or `[[1, 0], [0, 1]]`; sizes of 1 in front are left out."""
    sizes = list(tensor.shape)
    while sizes and sizes[0] == 1:
        del sizes[0]
    parts = list(map(_number, tensor.numbers))
    for size in reversed(sizes):
        parts = [f"[{', '.join(parts[k : k + size])}]" for k in range(0, len(parts), size)]
    return parts[0]


def _number(value: float) -> str:
    return f"{value:.6g}"


def _index(place: int, shape: Sequence[int]) -> list[int]:
    found: list[int] = []
    for size in reversed(shape):
        place, position = divmod(place, size)
        found.insert(0, position)
    return found


def printable(text: str) -> str:
    """`text` without characters that could steer a terminal: those are shown as `\\x1b`, `\\u202e` and so on."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char.isprintable() or combining(char):
        return char
    if char == "\t":
        return " " * TAB
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _cells(text: str) -> int:
    """How many columns of a terminal printable `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if category(char) in ("Mn", "Me") else 2 if east_asian_width(char) in ("W", "F") else 1 for char in text
    )


def _position(file: str, offset: int, sources: Mapping[str, Source]) -> str:
    source = sources.get(file)
    if source is None:
        return printable(file) or "<unknown>"
    line, column = place(source, offset)
    return f"{printable(file)}:{line}:{column}"


def place(source: Source, offset: int) -> Position:
    """The line and column to show: after the last newline of a file stands nothing to see, so the line before it."""
    offset = min(offset, len(source.text))
    place = source.position(offset)
    if offset == len(source.text) and place.line > 1 and place.column == 1:
        return Position(place.line - 1, len(source.line(place.line - 1)) + 1)
    return place


class _Mark(NamedTuple):
    """A label on its line: the characters, later the columns, that it covers."""

    start: int
    end: int
    label: Label


class _Page:
    def __init__(self, sources: Mapping[str, Source], color: bool, width: int) -> None:
        self.sources = sources
        self.color = color
        self.width = width

    def style(self, name: str, text: str) -> str:
        return f"{_STYLES[name]}{text}{_RESET}" if self.color and text else text

    def diagnostic(self, diagnostic: Diagnostic) -> str:
        """One message."""
        primary = diagnostic.primary
        files = list(dict.fromkeys([primary.file, *(label.span.file for label in diagnostic.labels)]))
        shown = [file for file in files if file in self.sources]
        gutter = self._gutter(diagnostic, shown)
        kind = diagnostic.severity.value
        head = self.style(kind, f"{kind}[{diagnostic.code}]")
        lines = [head + self.style("title", f": {printable(diagnostic.title)}")]
        lines.append(" " * gutter + self.style("frame", "--> ") + _position(primary.file, primary.start, self.sources))
        for file in shown:
            labels = [label for label in diagnostic.labels if label.span.file == file]
            if file != primary.file:
                first = min(label.span.start for label in labels)
                lines.append(" " * (gutter + 1) + self.style("frame", "|"))
                lines.append(" " * gutter + self.style("frame", "::: ") + _position(file, first, self.sources))
            lines.extend(self._snippet(self.sources[file], labels, gutter))
        bar = " " * (gutter + 1) + self.style("frame", "|")
        if shown and (diagnostic.notes or diagnostic.fixes or diagnostic.example):
            lines.append(bar)
        for note in diagnostic.notes:
            lines.extend(self._remark("note", note, gutter))
        if diagnostic.example is not None:
            lines.extend(self._example(diagnostic.example, gutter))
        for fix in diagnostic.fixes:
            lines.extend(self._remark("help", fix.title, gutter, _SAFETY[fix.safety] if fix.edits else ""))
            lines.extend(self._difference(fix, gutter))
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _gutter(self, diagnostic: Diagnostic, files: Sequence[str]) -> int:
        numbers = [1]
        spans = [label.span for label in diagnostic.labels]
        spans += [edit.span for fix in diagnostic.fixes for edit in fix.edits]
        for span in spans:
            if span.file in files:
                source = self.sources[span.file]
                numbers.append(source.position(min(span.start, len(source.text))).line)
        return len(str(max(numbers)))

    # ------------------------------------------------------------ the source

    def _snippet(self, source: Source, labels: Sequence[Label], gutter: int) -> list[str]:
        bar = self.style("frame", "|")
        lines = [" " * (gutter + 1) + bar]
        by_line: dict[int, list[_Mark]] = {}
        for label in labels:
            number, mark = _mark(source, label)
            by_line.setdefault(number, []).append(mark)
        previous = 0
        for number, marks in sorted(by_line.items()):
            if previous and number == previous + 2:
                lines.append(self._code(_piece(source, previous + 1, 0), previous + 1, gutter))
            elif previous and number > previous + 2:
                lines.append(self.style("frame", "..."))
            for text, group in _pieces(source, number, marks):
                lines.append(self._code(text, number, gutter))
                lines.extend(f"{' ' * (gutter + 1)}{bar} {row}" for row in self._marks(group))
            previous = number
        return lines

    def _code(self, text: str, number: int, gutter: int) -> str:
        return self.style("frame", f"{number:>{gutter}} |") + " " + text

    def _marks(self, marks: list[_Mark]) -> list[str]:
        """The lines under one line of source: underlines, then texts from the right to the left."""
        marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
        cells: dict[int, tuple[str, bool]] = {}
        for mark in sorted(marks, key=lambda mark: mark.label.primary):
            for column in range(mark.start, mark.end):
                cells[column] = ("^" if mark.label.primary else "-", mark.label.primary)
        last = marks[-1]
        beside = all(mark.end <= last.start for mark in marks[:-1])
        text = self._row(cells)
        hanging = marks
        if beside:
            hanging = marks[:-1]
            text += " " + self._styled(last.label, printable(last.label.text)) if last.label.text else ""
        lines = [text]
        hanging = [mark for mark in hanging if mark.label.text]
        if hanging:
            lines.append(self._row({mark.start: ("|", mark.label.primary) for mark in hanging}))
        while hanging:
            *hanging, mark = hanging
            row = {other.start: ("|", other.label.primary) for other in hanging if other.start < mark.start}
            end = max(row, default=-1) + 1
            lines.append(
                self._row(row) + " " * (mark.start - end) + self._styled(mark.label, printable(mark.label.text))
            )
        return lines

    def _styled(self, label: Label, text: str) -> str:
        return self.style("error" if label.primary else "secondary", text)

    def _row(self, cells: Mapping[int, tuple[str, bool]]) -> str:
        """Characters at their columns."""
        text = (
            "".join(cells[column][0] if column in cells else " " for column in range(max(cells) + 1)) if cells else ""
        )
        if not self.color:
            return text
        return "".join(
            self.style("error" if cells[column][1] else "secondary", char) if column in cells else char
            for column, char in enumerate(text)
        )

    # ------------------------------------------------------------ notes and fixes

    def _remark(self, kind: str, text: str, gutter: int, tail: str = "") -> list[str]:
        """`= note: text`, wrapped; `tail` stands behind it, or on a line of its own."""
        head = " " * (gutter + 1) + self.style("frame", "= ")
        indent = gutter + len(kind) + 5
        room = max(self.width - indent - 1, 20)
        lines = [part for line in text.split("\n") for part in _wrapped(printable(line), room)]
        if tail and _cells(lines[-1]) + 2 + _cells(tail) <= room:
            lines[-1] += f"  {tail}"
        elif tail:
            lines += _wrapped(tail, room)
        first, *rest = lines
        return [head + self.style("help", f"{kind}:") + " " + first, *(" " * indent + line for line in rest)]

    def _example(self, example: Example, gutter: int) -> list[str]:
        """The numbers, broken between them, and what is to be seen with them."""
        shown = _packed([f"{part}," for part in numbers(example)], max(self.width - gutter - 13, 20))
        return self._remark("example", "\n".join(shown).removesuffix(",") + f"\n{example.seen}", gutter)

    def _difference(self, fix: Fix, gutter: int) -> list[str]:
        """The lines that the edits of `fix` change, before and after."""
        lines: list[str] = []
        for file in dict.fromkeys(edit.span.file for edit in fix.edits):
            source = self.sources.get(file)
            if source is None:
                continue
            edits = sorted((edit for edit in fix.edits if edit.span.file == file), key=lambda edit: edit.span)
            at = 0
            while at < len(edits):
                first = source.position(edits[at].span.start).line
                last = source.position(edits[at].span.end).line
                group = [edits[at]]
                at += 1
                while at < len(edits) and source.position(edits[at].span.start).line <= last:
                    last = max(last, source.position(edits[at].span.end).line)
                    group.append(edits[at])
                    at += 1
                begin = source.line_starts[first - 1]
                end = source.line_starts[last] if last < len(source.line_starts) else len(source.text)
                if any(to - of > LONG for of, to in map(source.extent, range(first, last + 1))):
                    continue  # a difference of long lines shows nothing
                before = source.text[begin:end]
                after, done = "", begin
                for edit in group:
                    after += source.text[done : edit.span.start] + edit.text
                    done = edit.span.end
                after += source.text[done:end]
                lines.extend(self._changed(before, after, first, gutter))
        return lines

    def _changed(self, before: str, after: str, number: int, gutter: int) -> list[str]:
        old, new = _lines(before), _lines(after)
        while old and new and old[0] == new[0]:
            old, new, number = old[1:], new[1:], number + 1
        while old and new and old[-1] == new[-1]:
            old, new = old[:-1], new[:-1]
        lines = []
        for sign, texts in (("-", old), ("+", new)):
            for offset, text in enumerate(texts):
                lines.append(self.style(sign, f"{number + offset:>{gutter}} {sign} {printable(text)}"))
        return lines


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]


def _mark(source: Source, label: Label) -> tuple[int, _Mark]:
    """The line of a label, and the characters that it covers there: of several lines, the first."""
    start = min(label.span.start, len(source.text))
    end = min(max(label.span.end, start), len(source.text))
    number, column = place(source, start)
    first, last = source.extent(number)
    return number, _Mark(column - 1, min(column - 1 + end - start, last - first), label)


def _pieces(source: Source, number: int, marks: Sequence[_Mark]) -> list[tuple[str, list[_Mark]]]:
    """A line as it is shown, in one piece unless it is long, and its marks, in columns of their piece."""
    first, last = source.extent(number)
    groups: list[tuple[int, list[_Mark]]] = []
    for mark in sorted(marks, key=lambda mark: (mark.start, mark.end)) if last - first > LONG else marks:
        if not groups or (last - first > LONG and mark.start > groups[-1][0] + LONG - BEFORE):
            groups.append((max(mark.start - BEFORE, 0) if last - first > LONG else 0, []))
        groups[-1][1].append(mark)
    found = []
    for begin, group in groups:
        shown = []
        for mark in group:
            left = _cells(_piece(source, number, begin, mark.start))
            right = _cells(_piece(source, number, begin, min(max(mark.start, mark.end), begin + LONG)))
            shown.append(_Mark(left, max(right, left + 1), mark.label))
        found.append((_piece(source, number, begin), shown))
    return found


def _piece(source: Source, number: int, begin: int, end: int | None = None) -> str:
    """The characters `begin` to `end` of a line, printable; without `end` as many as are shown."""
    first, last = source.extent(number)
    until = min(first + (begin + LONG if end is None else end), last)
    text = ("..." if begin else "") + printable(source.text[first + begin : until])
    return f"{text}..." if end is None and until < last else text


def _words(text: str, room: int) -> list[str]:
    """The parts of `text` between its spaces; what stands in backquotes is one part, unless it fills a line."""
    words: list[str] = []
    for part in text.split(" "):
        if words and words[-1].count("`") % 2 and _cells(words[-1]) + 1 + _cells(part) <= room:
            words[-1] += f" {part}"
        else:
            words.append(part)
    return words


def _wrapped(text: str, room: int) -> list[str]:
    """`text` broken at spaces into lines of at most `room` columns; indented text keeps its shape."""
    return [text] if _cells(text) <= room or text.startswith(" ") else _packed(_words(text, room), room)


def _packed(words: Sequence[str], room: int) -> list[str]:
    lines = [""]
    for word in words:
        if lines[-1] and _cells(lines[-1]) + 1 + _cells(word) > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
