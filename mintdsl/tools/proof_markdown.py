"""A proof in Markdown as GitHub renders it: the formula as mathematics, a table of steps, the rules with their sources.

Names and texts of a program stand in code, where nothing is a link, a mention or markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mintdsl.core import ir
from mintdsl.core.interval import number
from mintdsl.core.norms import in_norm, norm_of_map
from mintdsl.diagnostics.render import printable, render
from mintdsl.proof.jacobian import family
from mintdsl.tools.proof_document import NOT_CLAIMED, NUMERICAL, Document, Section, Step
from mintdsl.tools.proof_latex import DEFINITION, head, typeset
from mintdsl.tools.proof_words import consequences, kind_of, numbers
from mintdsl.tools.show import located


def markdown(document: Document) -> str:
    """The whole document."""
    lines = [f"# Proof of {code(document.name)}", ""]
    lines.append(
        "Each step follows by its rule from the steps that it names, which stand above it. Statements hold for all "
        "sizes, and for all weights that the constraints allow; *diag* is the set of difference quotients of an "
        "element in its own coordinate, D the number of elements."
    )
    if not document.holds and document.diagnostics:
        shown = render(document.diagnostics, document.sources, color=False, width=100)
        lines += ["", *_block(shown.rstrip("\n"), "text")]
    for section in document.sections:
        lines += ["", *_section(section)]
    lines += ["", "## Rules", "", *_rules(document), *_numerical(document)]
    lines += ["", "## Not claimed", "", escaped(NOT_CLAIMED)]
    if document.hash:
        lines += ["", "## Certificate", "", *_certificate(document)]
    return "\n".join(lines) + "\n"


def _certificate(document: Document) -> list[str]:
    return [
        f"The statement of {code(document.name)} has the SHA-256 hash",
        "",
        f"    {document.hash}",
        "",
        "`mint prove SPEC -o proof.json` writes its proof as data, and `mint check-proof SPEC proof.json` checks every "
        "step of it without the checker.",
    ]


# ---------------------------------------------------------------- words


def code(words: str) -> str:
    """Words as code, whatever is in them."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", words)), default=0))
    pad = " " if words.startswith("`") or words.endswith("`") or not words.strip() else ""
    return f"{fence}{pad}{words}{pad}{fence}"


def escaped(words: str) -> str:
    """Words as they are: of ours, which hold no links and no mentions."""
    return re.sub(r"([\\`*_\[\]<>|#~$])", r"\\\1", words)


def _cell(words: str) -> str:
    """For a table: a bar ends a cell, in code too."""
    return words.replace("|", "\\|")


def _block(words: str, language: str) -> list[str]:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", words)), default=0))
    return [f"{fence}{language}", *(printable(line) for line in words.splitlines()), fence]


# ---------------------------------------------------------------- definitions


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.kind.capitalize()} {code(section.name)} on {code(located(section.definition))}"
    yield ""
    yield f"{code(section.place)}{''.join(f'; {code(part)}' for part in section.settled)}"
    if section.definition.doc:
        yield ""
        yield from _block(section.definition.doc.strip(), "text")
    if isinstance(section.definition, ir.Layer) and section.formulas:
        yield ""
        yield from _formula(section)
        yield ""
        yield from _parameters(section.definition)
    yield ""
    yield "| claim | verdict |"
    yield "| --- | --- |"
    for claim in section.claims or ("none",):
        word = escaped(section.verdict) if section.holds else "**NOT PROVED**"
        word = word if section.claims else ""
        yield f"| {_cell(code(claim))} | {word} |"
    yield ""
    yield "What follows:"
    yield ""
    for said in consequences(section):
        yield f"* {escaped(said)}"
    for found in section.proved.proof.diagnostics:
        yield f"* **{found.code}**: {escaped(found.title)}"
    yield ""
    yield from _steps(section)


def _formula(section: Section) -> Iterator[str]:
    rows = [(head(f), typeset(f, DEFINITION)[-1].tex) for f in section.formulas]
    yield "```math"
    yield r"\begin{aligned}"
    yield " \\\\\n".join(f"{left} &= {right}" for left, right in rows)
    yield r"\end{aligned}"
    yield "```"


def _parameters(layer: ir.Layer) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for param in layer.params:
        kinds.setdefault(described(param), []).append(code(family(param.name, param.indices)))
    if kinds:
        yield "| parameters | kind |"
        yield "| --- | --- |"
    for words, names in kinds.items():
        yield f"| {_cell(', '.join(names))} | {_cell(escaped(words))} |"


def described(param: ir.Param) -> str:
    """What a parameter is, and what binds it."""
    words = kind_of(param)
    if param.bound is not None and param.limited:
        words += f", lip <= {param.bound.formal or number(param.bound.numbers[0])}{in_norm(norm_of_map(param))}"
    elif param.bound is not None:
        words += f", diag in {param.bound.interval}" if param.bound.cmp != "!= 0" else ", diag != 0"
    if param.pivot is not None:
        signs = " * ".join(f"sign(diag({family(f.name, f.indices)}))" for f in param.pivot.others)
        words += f", sign(diag) = {'' if param.pivot.sign > 0 else '-'}{signs}"
    return words


def _steps(section: Section) -> Iterator[str]:
    yield "| step | expression | what is known | by | from |"
    yield "| ---: | --- | --- | --- | --- |"
    for step in section.steps:
        yield f"| {' | '.join(_cells(step))} |"


def _cells(step: Step) -> Sequence[str]:
    premises = (step.refers,) if isinstance(step.refers, int) else step.premises
    note = f"; {escaped(step.node.note)}" if step.node.note else ""
    known = _cell(escaped(step.node.conclusion) + note)
    return str(step.number), _cell(code(step.text)), known, step.node.rule, numbers(premises)


# ---------------------------------------------------------------- rules


def _rules(document: Document) -> Iterator[str]:
    for rule in document.rules:
        yield f"* **{rule.name}**: {code(' '.join(rule.statement.split()))}  "
        if rule.hypotheses != "none":
            yield f"  Needs: {escaped(rule.hypotheses)}.  "
        yield f"  Source: {_linked(rule.citation)}."
    for name, words in document.bookkeeping:
        yield f"* {name} (no rule): {escaped(words)}."


def _numerical(document: Document) -> Iterator[str]:
    if document.numerical:
        yield from ("", f"## {NUMERICAL}")
    for one in document.numerical:
        yield from ("", code(one.title), "")
        for name, said in one.rows:
            yield f"* {name}: {escaped(said)}"
    if document.formula:
        yield from ("", escaped(document.formula))


def _linked(citation: str) -> str:
    """A citation with its number in arXiv as a link."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", escaped(citation))
