"""Comments that allow a warning: `# mint: allow W0201` after a line of program, or alone on the line above it.

Only comments of the lexer count, so a `#` inside of a text is none. What an allow comment does not do is itself
reported, by W0101: comments would otherwise outlive what they were written for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mintdsl.diagnostics.codes import CODES
from mintdsl.diagnostics.model import Bag, Diagnostic, Edit, Fix, Safety, Severity
from mintdsl.records import record
from mintdsl.source import Source, Span
from mintdsl.syntax import ast
from mintdsl.syntax.suggest import suggest

_MINE = re.compile(r"#\s*mint:")
_ALLOW = re.compile(r"#\s*mint:\s*allow\s+(?=\S)")
_FORM = "an allow comment is `# mint: allow CODE`, or several codes with commas between them"


@record
class _Allowed:
    """One code of an allow comment: the place of the code, the comment, and the line that it speaks of."""

    code: str
    span: Span
    comment: Span
    line: int


def apply(
    found: Sequence[Diagnostic], modules: Mapping[str, ast.Module], sources: Mapping[str, Source], whole: str | None
) -> tuple[Diagnostic, ...]:
    """`found` without the warnings that are allowed, and with what is wrong with the comments that allow them.

    `whole` is the file that was checked completely, if one was: an allow comment there must silence something.
    """
    bag = Bag()
    items = [
        item
        for file, module in modules.items()
        for comment in module.comments
        for item in _read(comment.span, sources[file], bag)
    ]
    places: dict[tuple[str, int, str], list[Diagnostic]] = {}
    for diagnostic in found:
        span = diagnostic.primary
        if diagnostic.severity is Severity.WARNING and span.file in sources:
            line = sources[span.file].position(span.start).line
            places.setdefault((span.file, line, diagnostic.code), []).append(diagnostic)
    silent: dict[tuple[str, int, str], _Allowed] = {}
    for item in items:
        place = (item.span.file, item.line, item.code)
        if place in places and place not in silent:
            silent[place] = item
        elif item.span.file == whole:
            why = "it is allowed already" if place in silent else "it does not occur there"
            _useless(item, why, sources[whole], bag)
    silenced = {id(d) for place in silent for d in places[place]}
    kept = Bag()
    kept.extend(tuple(d for d in found if id(d) not in silenced))
    kept.extend(bag.sorted())
    return kept.sorted()


def _read(comment: Span, source: Source, bag: Bag) -> list[_Allowed]:
    """The codes of a comment that are warnings; the others are reported."""
    text = source.slice(comment).rstrip()
    if not _MINE.match(text):
        return []
    form = _ALLOW.match(text)
    if form is None:
        _report(comment, "this comment begins with `mint:` and allows nothing", "not an allow comment", bag, (_FORM,))
        return []
    line, column = source.position(comment.start)
    if not source.line(line)[: column - 1].strip():
        line += 1
    items, at = [], form.end()
    for part in text[form.end() :].split(","):
        code = part.strip()
        start = comment.start + at + len(part) - len(part.lstrip())
        span = Span(comment.file, start, start + len(code))
        at += len(part) + 1
        if _is_warning(code, span, bag):
            items.append(_Allowed(code, span, comment, line))
    return items


def _is_warning(code: str, span: Span, bag: Bag) -> bool:
    """Whether `code` can be allowed."""
    if code == "W0101":
        _report(span, "`W0101` speaks of allow comments and cannot be allowed", "not one to allow", bag)
    elif code not in CODES:
        close = ", ".join(f"`{c}`" for c in suggest(code, _warnings()))
        notes = (f"similar codes: {close}",) if close else ()
        shown = f"`{code[:40]}` is no code" if code else "a code is missing"
        _report(span, shown, "`mint list codes` lists all", bag, (*notes, _FORM))
    elif CODES[code].severity is not Severity.WARNING:
        note = f"only warnings can be: {', '.join(_warnings())}"
        _report(span, f"`{code}` is an error and cannot be allowed", CODES[code].title, bag, (note,))
    else:
        return True
    return False


def _warnings() -> list[str]:
    """The codes that can be allowed."""
    return [c for c, info in CODES.items() if info.severity is Severity.WARNING and c != "W0101"]


def _useless(item: _Allowed, why: str, source: Source, bag: Bag) -> None:
    edit = Edit(_removed(item, source), "")
    fix = Fix("remove it", (edit,), Safety.SAFE)
    title = f"nothing to allow: `{item.code}` on line {item.line}, {why}"
    _report(item.span, title, "silences nothing", bag, fixes=(fix,))


def _removed(item: _Allowed, source: Source) -> Span:
    """The code with one comma, or the comment with the space before it if the code is its only one."""
    file, text = item.span.file, source.text
    before = text[item.comment.start : item.span.start]
    after = text[item.span.end : item.comment.end]
    if "," in before:
        kept = before[: before.rindex(",")].rstrip()
        return Span(file, item.comment.start + len(kept), item.span.end)
    if "," in after:
        rest = after[after.index(",") + 1 :]
        return Span(file, item.span.start, item.comment.end - len(rest.lstrip()))
    number, column = source.position(item.comment.start)
    start = source.line_starts[number - 1]
    if text[start : item.comment.start].strip():  # after a line of program
        return Span(file, start + len(text[start : item.comment.start].rstrip()), item.comment.end)
    end = source.line_starts[number] if number < len(source.line_starts) else len(text)
    return Span(file, start, end)


def _report(
    span: Span, title: str, label: str, bag: Bag, notes: tuple[str, ...] = (), fixes: tuple[Fix, ...] = ()
) -> None:
    bag.error("W0101", span, title, label, notes=notes, fixes=fixes, severity=Severity.WARNING)
