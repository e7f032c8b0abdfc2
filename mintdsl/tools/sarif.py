"""Diagnostics as a log in SARIF 2.1.0 (OASIS), the format that code hosts and editors read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote

from mintdsl import __version__
from mintdsl.diagnostics.codes import CODES, page
from mintdsl.diagnostics.model import Diagnostic, Fix, Label
from mintdsl.diagnostics.render import in_words
from mintdsl.source import Source, Span

if TYPE_CHECKING:
    from mintdsl.tools.show import Json

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def log(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> dict[str, Json]:
    """The document of one run; its rules are the codes that occur."""
    codes = sorted({d.code for d in diagnostics})
    rules: list[Json] = [_rule(code) for code in codes]
    results: list[Json] = [_result(d, codes.index(d.code), sources) for d in diagnostics]
    run: dict[str, Json] = {
        "tool": {"driver": {"name": "mintdsl", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Json]:
    text = page(code)
    mistake = text.split("## The mistake", 1)[1].split("```", 1)[0]
    return {
        "id": code,
        "shortDescription": {"text": CODES[code].title},
        "fullDescription": {"text": " ".join(mistake.split())},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": CODES[code].severity.value},
    }


def _result(diagnostic: Diagnostic, rule: int, sources: Mapping[str, Source]) -> dict[str, Json]:
    shown = [diagnostic.title, *(f"note: {note}" for note in diagnostic.notes)]
    shown += [f"example: {in_words(diagnostic.example)}"] if diagnostic.example is not None else []
    shown += [f"help: {fix.title}" for fix in diagnostic.fixes if not fix.edits]
    result: dict[str, Json] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": "\n".join(shown)},
        "locations": [_location(label, sources) for label in diagnostic.labels if label.primary],
    }
    related: list[Json] = [_location(label, sources) for label in diagnostic.labels if not label.primary]
    fixes: list[Json] = [_fix(fix, sources) for fix in diagnostic.fixes if fix.edits]
    if related:
        result["relatedLocations"] = related
    if fixes:
        result["fixes"] = fixes
    return result


def _location(label: Label, sources: Mapping[str, Source]) -> dict[str, Json]:
    physical: dict[str, Json] = {"artifactLocation": {"uri": uri(label.span.file)}}
    if label.span.file in sources:
        physical["region"] = _region(label.span, sources[label.span.file])
    location: dict[str, Json] = {"physicalLocation": physical}
    if label.text:
        location["message"] = {"text": label.text}
    return location


def _fix(fix: Fix, sources: Mapping[str, Source]) -> dict[str, Json]:
    changes: list[Json] = []
    for file in dict.fromkeys(edit.span.file for edit in fix.edits):
        replacements: list[Json] = [
            {"deletedRegion": _region(edit.span, sources[file]), "insertedContent": {"text": edit.text}}
            for edit in fix.edits
            if edit.span.file == file
        ]
        changes.append({"artifactLocation": {"uri": uri(file)}, "replacements": replacements})
    return {
        "description": {"text": fix.title},
        "artifactChanges": changes,
        "properties": {"safety": fix.safety.value},
    }


def _region(span: Span, source: Source) -> dict[str, Json]:
    """A region by line and column, its end exclusive, and by characters; an empty one is a place to insert."""
    size = len(source.text)
    start, end = min(span.start, size), min(span.end, size)
    line, column = source.position(start)
    last, until = source.position(end)
    return {
        "startLine": line,
        "startColumn": column,
        "endLine": last,
        "endColumn": until,
        "charOffset": start,
        "charLength": end - start,
    }


def uri(file: str) -> str:
    """A reference to `file`: relative as it is, with what a URI cannot hold escaped."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")
