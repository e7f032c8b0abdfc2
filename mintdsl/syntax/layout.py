"""Lines of formatted text: comments put back where they stood, and formulas broken where they are too long."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from mintdsl.source import Source, Span
from mintdsl.syntax import ast
from mintdsl.syntax.flat import PRODUCT, args, expr, is_sum, level, operand

WIDTH = 100
INDENT = 2
# Comments at the ends of neighbouring lines stand in one column, unless a line is longer than this.
COMMENT_COLUMN = 60


class Line(NamedTuple):
    """A line to be written: its indentation, its text, and the place in the source that it begins with."""

    indent: int
    text: str
    start: int


class Page:
    """The lines written so far, and the comments of the source that are still to come."""

    def __init__(self, source: Source, comments: Sequence[ast.Comment]) -> None:
        self.source = source
        self.comments = comments
        self.starts = [comment.span.start for comment in comments]
        self.next = 0
        self.lines: list[tuple[int, str, str]] = []
        """Indentation, text, comment at the end."""
        self.opened = True
        """Whether the last line began a file or a block: no blank line follows."""

    def commented(self, span: Span) -> bool:
        """Whether a comment stands inside `span`."""
        return bisect_left(self.starts, span.start) < bisect_left(self.starts, span.end)

    def blank(self) -> None:
        """An empty line, unless there is one or a block was just opened."""
        if not self.opened and self.lines[-1] != (0, "", ""):
            self.lines.append((0, "", ""))

    def blank_before(self, offset: int) -> bool:
        """Whether the source has an empty line before the text at `offset`."""
        text = self.source.text
        end = min(offset, len(text))  # a tree that was made or changed has places of its own
        while end and text[end - 1] in " \t\r\n":
            end -= 1
        return text.count("\n", end, offset) > 1

    def flush(self, offset: int, indent: int, *, within: bool = False, blank: bool = False) -> bool:
        """Write the comments that stand before `offset`; whether one took a line of its own."""
        written = False
        while self.next < len(self.comments) and self.starts[self.next] < offset:
            comment = self.comments[self.next]
            self.next += 1
            if (
                self._at_end(comment)
                and self.lines
                and not self.lines[-1][2]
                and self.lines[-1][1][:1] not in ("", "#")
            ):
                depth, text, _ = self.lines[-1]
                self.lines[-1] = depth, text, comment.text
                continue
            if not within and ((blank and not written) or self.blank_before(comment.span.start)):
                self.blank()
            self.lines.append((indent, comment.text, ""))
            self.opened = False
            written = True
        return written

    def _at_end(self, comment: ast.Comment) -> bool:
        line = self.source.text.rfind("\n", 0, comment.span.start) + 1
        return bool(self.source.text[line : comment.span.start].strip(" \t\r\ufeff"))

    def write(self, lines: Sequence[Line], *, blank: bool = False) -> None:
        """Write the lines of one unit, after what stands before it; `blank` asks for an empty line first."""
        for number, line in enumerate(lines):
            own = self.flush(line.start, line.indent, within=number > 0, blank=blank)
            if number == 0 and ((blank and not own) or self.blank_before(line.start)):
                self.blank()
            self.lines.append((line.indent, line.text, ""))
            self.opened = False

    def open(self, lines: Sequence[Line], *, blank: bool = False) -> None:
        """Write lines that end in an opening brace."""
        self.write(lines, blank=blank)
        self.opened = True

    def close(self, offset: int, indent: int) -> None:
        """Write the brace that closes a block and stands at `offset`."""
        self.flush(offset, indent + INDENT)
        self.lines.append((indent, "}", ""))
        self.opened = False

    def text(self) -> str:
        """All lines, with the comments at their ends aligned."""
        out: list[str] = []
        run: list[tuple[int, str, str]] = []
        for line in [*self.lines, (0, "", "")]:
            if line[1] and (not run or run[-1][0] == line[0]):
                run.append(line)
                continue
            out.extend(_aligned(run))
            run = [line] if line[1] else []
            if not line[1]:
                out.append("")
        return "\n".join(out).strip("\n") + "\n"


def _aligned(run: list[tuple[int, str, str]]) -> list[str]:
    code = [(indent + len(text), comment) for indent, text, comment in run if text[0] != "#"]
    ends = [end for end, comment in code if comment or end <= COMMENT_COLUMN]
    column = max(ends, default=0) + 2
    out: list[str] = []
    for indent, text, comment in run:
        line = " " * indent + text
        out.append(f"{line:<{column}}{comment}" if comment else line)
    return out


# ---------------------------------------------------------------- breaking


def fits(indent: int, text: str) -> bool:
    """Whether the text fits on a line of its own."""
    return indent + len(text) <= WIDTH


def surely_long(source: Source, span: Span) -> bool:
    """Whether what stands in `span` fits on no line, as far as that shows without writing it."""
    text = source.text[span.start : span.end]
    least = len(text) - sum(text.count(mark) for mark in " \t\r\n(),")  # marks that the formatter may leave out
    return least > WIDTH and "#" not in text


def broken(page: Page, indent: int, before: str, formula: ast.Expr, after: str, start: int) -> list[Line]:
    """`before formula after`, on several lines if it is too long or has comments inside."""
    if not surely_long(page.source, formula.span):
        flat = before + expr(formula) + after
        if fits(indent, flat) and not page.commented(formula.span):
            return [Line(indent, flat, start)]
    match formula:
        case ast.Apply(fn, arguments, span) if arguments:
            return bracketed(page, indent, f"{before}{operand(fn, PRODUCT + 2)}(", arguments, ")" + after, start, span)
        case ast.Tuple(items, span):
            wrapped = tuple(ast.Arg(None, None, item, item.span) for item in items)
            return bracketed(page, indent, before + "(", wrapped, ")" + after, start, span, comma="")
        case ast.Reduce(word, indices, body, span):
            head = f"{before}{word}[{', '.join(index.id for index in indices)}]("
            inside = broken(page, indent + INDENT, "", body, "", body.span.start)
            return [Line(indent, head, start), *inside, Line(indent, ")" + after, span.end - 1)]
        case ast.Neg(inner):
            return _operand(page, indent, before + "-", inner, PRODUCT + 1, after, start)
        case ast.Binary():
            return _chain(page, indent, before, formula, after, start)
    return [Line(indent, before + expr(formula) + after, start)]


def _operand(page: Page, indent: int, before: str, inner: ast.Expr, least: int, after: str, start: int) -> list[Line]:
    if level(inner) < least:
        return broken(page, indent, before + "(", inner, ")" + after, start)
    return broken(page, indent, before, inner, after, start)


def _chain(page: Page, indent: int, before: str, formula: ast.Binary, after: str, start: int) -> list[Line]:
    """A sum or a product, one term a line."""
    terms: list[tuple[str, ast.Expr]] = []
    first: ast.Expr = formula
    while isinstance(first, ast.Binary) and is_sum(first) == is_sum(formula):
        terms.append((first.op + " ", first.right))
        first = first.left
    least = level(formula)
    lines = _operand(page, indent, before, first, least, "", start)
    for number, (op, term) in enumerate(reversed(terms), 1):
        end = after if number == len(terms) else ""
        lines += _operand(page, indent + INDENT, op, term, least + 1, end, term.span.start)
    return lines


def bracketed(
    page: Page,
    indent: int,
    before: str,
    arguments: Sequence[ast.Arg],
    after: str,
    start: int,
    span: Span,
    comma: str = ",",
) -> list[Line]:
    """Arguments, one a line; `comma` is what follows the last one."""
    lines = [Line(indent, before, start)]
    for number, arg in enumerate(arguments, 1):
        end = comma if number == len(arguments) else ","
        name = f"{arg.name.id} {arg.cmp} " if arg.name else ""
        lines += broken(page, indent + INDENT, name, arg.value, end, arg.span.start)
    return [*lines, Line(indent, after, span.end - 1)]


def called(page: Page, indent: int, before: str, call: ast.Call, after: str, start: int) -> list[Line]:
    """A name with options, on several lines if need be."""
    flat = f"{before}{call.name.id}{args(call.args)}{after}"
    if not call.args or (fits(indent, flat) and not page.commented(call.span)):
        return [Line(indent, flat, start)]
    return bracketed(page, indent, f"{before}{call.name.id}(", call.args, ")" + after, start, call.span)
