"""Applying fixes and formatting: edits of a program's own text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from mintdsl.diagnostics.model import Diagnostic, Edit, Safety
from mintdsl.driver import Program
from mintdsl.syntax.format import format_module


def edits_of(found: Sequence[Diagnostic], file: str, allowed: Collection[Safety]) -> list[Edit]:
    """The edits of the fixes in `file` that are allowed, by place; a fix that overlaps one taken before is left out."""
    taken: list[Edit] = []
    for diagnostic in found:
        for fix in diagnostic.fixes:
            if fix.safety not in allowed or not fix.edits:
                continue
            if all(e.span.file == file for e in fix.edits) and not _overlap([*taken, *fix.edits]):
                taken += fix.edits
                break  # one fix repairs one diagnostic
    return sorted(taken, key=lambda e: e.span)


def _overlap(edits: Sequence[Edit]) -> bool:
    places = sorted((e.span.start, e.span.end) for e in edits)
    return any(b[0] < a[1] or a == b for a, b in pairwise(places))


def applied(text: str, edits: Sequence[Edit]) -> str:
    """`text` with `edits`, which are sorted and do not overlap."""
    parts, at = [], 0
    for edit in edits:
        parts += [text[at : edit.span.start], edit.text]
        at = edit.span.end
    return "".join([*parts, text[at:]])


def syntax_errors(program: Program) -> tuple[Diagnostic, ...]:
    """What stops the formatter: errors of the file's own text, not of its imports."""
    return tuple(
        d for d in program.loading.sorted() if d.primary.file == program.main and d.code.startswith(("E00", "E01"))
    )


def formatted(program: Program) -> str:
    """The main file in the canonical layout; it has no syntax errors."""
    return format_module(program.modules[program.main], program.sources[program.main])
