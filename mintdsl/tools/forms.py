"""The forms in which a command answers: text for people, and one form for each kind of program that reads answers.

docs/output.md describes them. Offsets count characters from 0, lines and columns from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mintdsl.core import ir
from mintdsl.diagnostics.codes import CODES
from mintdsl.diagnostics.model import Diagnostic, Example, Tensor
from mintdsl.diagnostics.render import concise, in_words, place, printable
from mintdsl.driver import Checked, Report
from mintdsl.proof.prover import Prover
from mintdsl.source import Source, Span
from mintdsl.tools import show
from mintdsl.tools.programs import Asked
from mintdsl.tools.show import Json


def text(asked: Asked, report: Report) -> Iterator[str]:
    """Every diagnostic in full; when there is no error, one line for each definition."""
    yield from show.diagnostics(report.diagnostics, report.sources)
    yield from _results(asked, report)


def brief(asked: Asked, report: Report) -> Iterator[str]:
    """One line for each diagnostic; when there is no error, one line for each definition."""
    yield from concise(report.diagnostics, report.sources).splitlines()
    yield from _results(asked, report)


def _results(asked: Asked, report: Report) -> Iterator[str]:
    if report.ok:
        core, _ = asked.program.core()
        lines = show.lines(report, core, asked.sizes)
        yield from lines or (() if report.diagnostics else ("nothing to prove: the file defines no layer and no flow",))


# ---------------------------------------------------------------- json


def json_lines(asked: Asked, report: Report) -> Iterator[str]:
    """One object a line: the diagnostics; when there is no error, the results."""
    yield from (dumps(diagnostic_json(d, report.sources)) for d in report.diagnostics)
    if report.ok:
        from mintdsl.tools import numerics

        core, _ = asked.program.core()
        for r in report.results:
            bounds = numerics.numerics_json(numerics.of_definition(core, Prover(core), r.key, asked.sizes))
            yield dumps({**result_json(r, core, asked.sizes), "numerical": bounds})


def dumps(value: Json, indent: int | None = None) -> str:
    """JSON in ASCII, so that it can be written whatever the encoding of the output is."""
    import json

    return json.dumps(value, allow_nan=False, indent=indent)


def diagnostic_json(diagnostic: Diagnostic, sources: Mapping[str, Source]) -> dict[str, Json]:
    """A diagnostic as an object."""

    def range_of(span: Span) -> dict[str, Json]:
        source = sources.get(span.file)

        def position(offset: int) -> dict[str, Json]:
            line, column = source.position(min(offset, len(source.text))) if source else (1, 1)
            return {"line": line, "column": column, "offset": offset}

        return {"start": position(span.start), "end": position(span.end)}

    def located(span: Span, text: str) -> dict[str, Json]:
        return {"file": span.file, "range": range_of(span), "text": text}

    labels: list[Json] = [{**located(x.span, x.text), "primary": x.primary} for x in diagnostic.labels]
    fixes: list[Json] = [
        {"title": f.title, "safety": f.safety.value, "edits": [located(e.span, e.text) for e in f.edits]}
        for f in diagnostic.fixes
    ]
    return {
        "kind": "diagnostic",
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "title": diagnostic.title,
        "rule": CODES[diagnostic.code].rule or None,
        "file": diagnostic.primary.file,
        "range": range_of(diagnostic.primary),
        "labels": labels,
        "notes": list(diagnostic.notes),
        "fixes": fixes,
        "example": None if diagnostic.example is None else _example(diagnostic.example),
    }


def _example(example: Example) -> dict[str, Json]:
    """A counter-example: tensors as nested lists; `raw` by the keys of the state dict."""

    def nested(numbers: Sequence[float], shape: Sequence[int]) -> Json:
        if not shape:
            return numbers[0]
        of_one = len(numbers) // shape[0]
        return [nested(numbers[k * of_one : (k + 1) * of_one], shape[1:]) for k in range(shape[0])]

    def by_name(tensors: Sequence[Tensor]) -> dict[str, Json]:
        return {tensor.name: nested(tensor.numbers, tensor.shape) for tensor in tensors}

    return {
        "definition": example.definition,
        "settings": dict(example.settings),
        "parameters": by_name(example.parameters),
        "raw": by_name(example.raw),
        "inputs": by_name(example.inputs),
        "kind": example.kind,
        "seen": example.seen,
    }


def result_json(result: Checked, program: ir.Program, sizes: Mapping[str, int]) -> dict[str, Json]:
    """What is proved of a definition as an object."""
    definition = program.definitions[result.key]
    order = show.order_of(program, result.key, Prover(program))
    said = show.facts(result.proof, show.coordinates(definition, sizes), order)
    bijection, counts = result.proof.bijection, result.counts
    return {
        "kind": "result",
        "name": result.name,
        "definition": "layer" if isinstance(definition, ir.Layer) else "flow",
        "injective": bijection is not None,
        "bijection": bijection is not None and bijection.codomain is not None,
        "conclusion": said.conclusion,
        "assumptions": list(result.proof.assumptions),
        "jacobian": said.jacobian or None,
        "order": order or None,
        "log_det": said.log_det or None,
        "inverse": said.inverse or None,
        "parameters": {"stored": counts.stored, "live": counts.live} if counts else None,
    }


# ---------------------------------------------------------------- sarif, github


def sarif(asked: Asked, report: Report) -> Iterator[str]:
    """One SARIF document, with or without results."""
    from mintdsl.tools.sarif import log

    del asked
    yield dumps(log(report.diagnostics, report.sources), indent=2)


def github(asked: Asked, report: Report) -> Iterator[str]:
    """A workflow command for each diagnostic, which GitHub shows at its line; then the results, as plain lines."""
    yield from (annotation(d, report.sources) for d in report.diagnostics)
    yield from _results(asked, report)


def annotation(diagnostic: Diagnostic, sources: Mapping[str, Source]) -> str:
    """`::error file=...,line=...,title=E0404::message`"""
    span = diagnostic.primary
    properties: dict[str, str | int] = {"file": span.file}
    source = sources.get(span.file)
    if source is not None:
        line, column = place(source, span.start)
        last, end = place(source, span.end)
        properties |= {"line": line, "col": column, "endLine": last}
        if last == line:  # GitHub takes columns only of one line
            properties |= {"endColumn": end}
        else:
            del properties["col"]
    properties["title"] = diagnostic.code
    label = next(x.text for x in diagnostic.labels if x.primary)
    parts = [diagnostic.title, label, *(f"note: {n}" for n in diagnostic.notes)]
    parts += [f"example: {in_words(diagnostic.example)}"] if diagnostic.example is not None else []
    parts += [f"help: {f.title}" for f in diagnostic.fixes]
    message = "\n".join(printable(line) for part in parts if part for line in part.split("\n"))
    shown = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in properties.items())
    return f"::{diagnostic.severity.value} {shown}::{_escaped(message)}"


def _escaped(value: str, separators: str = "") -> str:
    """`value` with `%`, line ends and `separators` as `%25` and so on, the workflow commands' own escape."""
    return "".join(f"%{ord(char):02X}" if char in "%\r\n" + separators else char for char in value)


FORMS: dict[str, Callable[[Asked, Report], Iterator[str]]] = {
    "text": text,
    "concise": brief,
    "json": json_lines,
    "sarif": sarif,
    "github": github,
}
"""What `--output` takes."""
