"""A proof as one HTML file: steps fold, each opens to what is known, its rule and its place; the source stands beside.

It holds no script and loads nothing, and says so to the browser. All text of a program is escaped, and its invisible
and direction-changing characters are shown by their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from mintdsl.diagnostics.render import printable, render
from mintdsl.proof.rules.model import Rule
from mintdsl.source import Source, Span
from mintdsl.tools.proof_document import NOT_CLAIMED, NUMERICAL, Document, Row, Section, Step, shortened, trees
from mintdsl.tools.proof_style import style
from mintdsl.tools.proof_words import consequences, kind_of_step, known
from mintdsl.tools.show import located

DEEPEST = 24
"""Steps inside each other; what is deeper stands in a tree of its own."""
DEEPEST_MARK = 100
"""Marks of the source inside each other: browsers stop at some hundreds."""
OPEN = 400
"""Steps of a proof that is shown unfolded."""


def html(document: Document) -> str:
    """The whole page."""
    page = _Page(document, {name: i for i, name in enumerate(_files(document))})
    lines = [
        "<!DOCTYPE html>",
        f"<!-- Proof of {_comment(document.name)}, written by mint prove. -->",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">""",
        f"<title>Proof of {text(document.name)}</title>",
        f"<style>\n{style()}\n</style>",
        "</head>",
        "<body>",
        '<div class="page">',
        "<main>",
        *page.header(),
        *(line for place, section in enumerate(document.sections) for line in page.section(place, section)),
        *page.rules(),
        *page.numbers(),
        "<h2>Not claimed</h2>",
        f"<p>{text(NOT_CLAIMED)}</p>",
        "</main>",
        *page.sources(),
        "</div>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def text(words: str) -> str:
    """Words as HTML."""
    return escape(printable(words), quote=True)


def code(words: str) -> str:
    """Words as code."""
    return f"<code>{text(words)}</code>"


def _comment(words: str) -> str:
    return "".join(char if char.isalnum() and char.isascii() or char in "_ " else "?" for char in words)


def _files(document: Document) -> list[str]:
    """The files that the steps are of, the main one first."""
    used = {step.node.subject.file: None for section in document.sections for step in section.steps}
    first = document.sections[-1].definition.name_span.file
    return [name for name in dict.fromkeys([first, *used]) if name in document.sources]


@dataclass(slots=True)
class _Page:
    document: Document
    files: dict[str, int]
    marks: dict[Span, str] = field(default_factory=dict)
    listings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        spans: dict[str, set[Span]] = {name: set() for name in self.files}
        for section in self.document.sections:
            for step in section.steps:
                if step.node.subject.file in spans:
                    spans[step.node.subject.file].add(step.node.subject)
        for name, place in self.files.items():
            self.listings.append(self._marked(self.document.sources[name], spans[name], place))

    # ------------------------------------------------------------ head and foot

    def header(self) -> Iterator[str]:
        document = self.document
        yield f"<h1>Proof of {code(document.name)}</h1>"
        yield (
            '<p class="small">Each step follows by its rule from the steps below it. Click a step to see what is '
            "known, its rule and its place; the triangle folds what it rests on. Statements hold for all sizes, and "
            "for all weights that the constraints allow; <em>diag</em> is the set of difference quotients of an "
            "element in its own coordinate, D the number of elements.</p>"
        )
        yield "<nav><ul>"
        for place, section in enumerate(document.sections):
            verdict = _verdict(section)
            yield f'<li><a href="#d{place}">{text(section.kind)} {code(section.name)}</a> {verdict}</li>'
        yield "</ul></nav>"
        if document.hash:
            yield f'<p class="small hash">Hash of the statement of {code(document.name)}: {code(document.hash)}</p>'
            yield (
                f'<p class="small">{code("mint prove SPEC -o proof.json")} writes the proof as data, and '
                f"{code('mint check-proof SPEC proof.json')} checks every step of it without the checker.</p>"
            )
        if not document.holds and document.diagnostics:
            shown = render(document.diagnostics, document.sources, color=False, width=100)
            yield f'<pre class="diagnostics">{escape(shown)}</pre>'

    def rules(self) -> Iterator[str]:
        yield "<h2>Rules</h2>"
        yield '<dl class="rules">'
        for rule in self.document.rules:
            yield f'<dt id="rule-{text(rule.name)}">{text(rule.name)}</dt>'
            yield f"<dd>{_inference(rule)}{_needs(rule)}"
            yield f'<p class="small">Source: {text(rule.citation)}</p></dd>'
        for name, words in self.document.bookkeeping:
            yield f'<dt id="rule-{text(name)}">{text(name)}</dt><dd>no rule: {text(words)}</dd>'
        yield "</dl>"

    def numbers(self) -> Iterator[str]:
        if self.document.numerical:
            yield f"<h2>{text(NUMERICAL)}</h2>"
        for one in self.document.numerical:
            yield f'<p class="settled">{text(one.title)}</p>'
            rows = "".join(f"<dt>{text(name)}</dt><dd>{text(said)}</dd>" for name, said in one.rows)
            yield f'<dl class="facts">{rows}</dl>'
        if self.document.formula:
            yield f'<p class="small">{text(self.document.formula)}</p>'

    def sources(self) -> Iterator[str]:
        yield '<aside class="sources">'
        for (name, place), listing in zip(self.files.items(), self.listings, strict=True):
            count = len(self.document.sources[name].line_starts)
            numbers = "\n".join(map(str, range(1, count + 1)))
            yield f'<h2 id="f{place}">{text(name)}</h2>'
            yield (
                f'<div class="source"><pre class="numbers" aria-hidden="true">{numbers}</pre>'
                f'<pre class="text"><code>{listing}</code></pre></div>'
            )
        yield "</aside>"

    # ------------------------------------------------------------ definitions

    def section(self, place: int, section: Section) -> Iterator[str]:
        yield f'<section id="d{place}">'
        yield f"<h2>{section.kind.capitalize()} {code(section.name)} on {code(located(section.definition))}</h2>"
        yield f'<p class="at">{self._link(section.definition.name_span, text(section.place))}</p>'
        if section.definition.doc:
            doc = "\n".join(text(line) for line in section.definition.doc.strip().split("\n"))
            yield f'<p class="doc">{doc}</p>'
        if section.settled:
            yield f'<p class="settled">{"; ".join(map(text, section.settled))}</p>'
        if section.claims:
            items = "".join(f"<li>{code(claim)} {_verdict(section)}</li>" for claim in section.claims)
            yield f'<ul class="claims">{items}</ul>'
        yield f'<ul class="follows">{"".join(f"<li>{text(said)}</li>" for said in consequences(section))}</ul>'
        for root in section.roots:
            for rows in trees(section.tree(root), DEEPEST):
                yield from self._tree(place, section, rows)
        yield "</section>"

    def _tree(self, place: int, section: Section, rows: Sequence[Row]) -> Iterator[str]:
        """Lists inside each other; the list of a step's premises ends with the last of them."""
        yield '<ol class="tree">'
        before = None
        for row in rows:
            if before is not None and row.depth <= before.depth:
                yield "</li>" + "</ol></details></li>" * (before.depth - row.depth)
            before = row
            anchor = _anchor(place, row.step.number)
            yield "<li>" if row.below else f'<li id="{anchor}">'
            yield self._card(section, row.step, "".join(self._why(place, section, row.step)))
            if row.below:
                yield f'<p class="small"><a href="#{anchor}">its proof stands below</a></p>'
            elif row.step.premises:
                is_open = " open" if len(section.steps) <= OPEN or row.depth < 2 else ""
                label = f"what step {row.step.number} rests on"
                yield f'<details class="sub"{is_open}><summary aria-label="{label}"></summary><ol>'
        depth = before.depth if before is not None else 0
        yield "</li>" + "</ol></details></li>" * depth + "</ol>"

    def _card(self, section: Section, step: Step, why: str) -> str:
        kind = f"k {kind_of_step(step, section)}".rstrip()
        expression = self._link(step.node.subject, code(step.text))
        return (
            f'<details class="card"><summary><span class="e"><span class="n">{step.number}</span>{expression}</span>'
            f'<span class="{kind}">{text(step.node.conclusion)}</span><span class="r">{text(step.node.rule)}</span>'
            f'</summary><div class="why">{why}</div></details>'
        )

    def _why(self, place: int, section: Section, step: Step) -> Iterator[str]:
        node = step.node
        found = known(step.fact, section) if step.fact is not None else []
        if node.note:
            found.append(("here", node.note))
        if found:
            yield f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(said)}</dd>' for name, said in found)}</dl>"
        rule = next((rule for rule in self.document.rules if rule.name == node.rule), None)
        if rule is not None:
            yield f'<p><a href="#rule-{text(rule.name)}">{text(rule.name)}</a></p>{_inference(rule)}{_needs(rule)}'
        else:
            words = dict(self.document.bookkeeping).get(node.rule, "")
            yield f'<p><a href="#rule-{text(node.rule)}">{text(node.rule)}</a>: {text(words)}</p>'
        yield from self._from(place, step)
        yield self._excerpt(node.subject)

    def _from(self, place: int, step: Step) -> Iterator[str]:
        if isinstance(step.refers, int):
            yield f'<p>named in step <a href="#{_anchor(place, step.refers)}">{step.refers}</a></p>'
        elif isinstance(step.refers, str):
            there = [i for i, s in enumerate(self.document.sections) if s.name == step.refers]
            if there:
                yield f'<p>proof of <a href="#d{there[0]}">{code(step.refers)}</a></p>'
        elif step.premises:
            shown = step.premises if len(step.premises) <= 20 else [*step.premises[:10], *step.premises[-1:]]
            links = [f'<a href="#{_anchor(place, n)}">{n}</a>' for n in shown]
            if len(shown) < len(step.premises):
                links.insert(-1, "...")
            yield f"<p>from {', '.join(links)}</p>"

    # ------------------------------------------------------------ source

    def _link(self, span: Span, inner: str) -> str:
        return f'<a href="#{self.marks[span]}">{inner}</a>' if span in self.marks else inner

    def _excerpt(self, span: Span) -> str:
        """The line of a place with the place marked in it, as far as it fits."""
        source = self.document.sources.get(span.file)
        if source is None:
            return ""
        number, column = source.position(span.start)
        line = source.text[max(span.start - column + 1, span.start - 60) : span.start]
        last = source.text.find("\n", span.end, span.end + 60)
        after = source.text[span.end : last if last >= 0 else span.end + 60]
        marked = source.text[span.start : span.end] if span.end - span.start <= 600 else ""
        shown = _lines(marked) if marked else text(shortened(source.text[span.start : span.start + 600], always=True))
        where = self._link(span, text(f"{span.file}:{number}"))
        return f'<pre class="excerpt">{where}\n{_lines(line)}<mark>{shown}</mark>{_lines(after)}</pre>'

    def _marked(self, source: Source, spans: set[Span], place: int) -> str:
        """The text of a file with a mark for each place that a step is of; what is too deep has the mark around it."""
        parts: list[str] = []
        open_marks: list[Span] = []
        at = 0

        def to(offset: int) -> None:
            nonlocal at
            parts.append(_lines(source.text[at:offset]))
            at = max(at, offset)

        for span in sorted(spans, key=lambda s: (s.start, -s.end)):
            while open_marks and open_marks[-1].end <= span.start:
                to(open_marks.pop().end)
                parts.append("</span>")
            inside = not open_marks or span.end <= open_marks[-1].end
            if not inside or len(open_marks) >= DEEPEST_MARK:
                self.marks[span] = self.marks[open_marks[-1]]
                continue
            to(span.start)
            self.marks[span] = f"p{place}-{span.start}-{span.end}"
            parts.append(f'<span id="{self.marks[span]}">')
            open_marks.append(span)
        while open_marks:
            to(open_marks.pop().end)
            parts.append("</span>")
        to(len(source.text))
        return "".join(parts)


def _anchor(place: int, number: int) -> str:
    return f"d{place}-{number}"


def _lines(words: str) -> str:
    """Text of a program that keeps its line ends."""
    return "\n".join(text(line) for line in words.replace("\r\n", "\n").split("\n"))


def _verdict(section: Section) -> str:
    if not section.claims:
        return '<span class="small">claims nothing</span>'
    word = "good" if section.holds else "bad"
    return f'<span class="{word}">{text(section.verdict)}</span>'


def _inference(rule: Rule) -> str:
    """A rule as an inference: what it needs above a line, what follows below."""
    above, arrow, under = (part.strip() for part in rule.statement.partition("   =>   "))
    if not arrow:
        return f'<p class="inference"><span>{text(rule.statement)}</span></p>'
    return f'<p class="inference"><span>{text(above)}</span><span>{text(under)}</span></p>'


def _needs(rule: Rule) -> str:
    return "" if rule.hypotheses == "none" else f'<p class="small">Needs: {text(rule.hypotheses)}</p>'
