"""`mint prove`: derivations as trees in three columns, and the rules they use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mintdsl.core import ir
from mintdsl.diagnostics.render import printable
from mintdsl.proof.check import LayerProof
from mintdsl.proof.derivation import Derivation
from mintdsl.proof.prover import Proved
from mintdsl.proof.rules import RULES
from mintdsl.source import Source, Span
from mintdsl.tools.show import Terminal, class_of, facts, free, proved_word, wrap

NOT_CLAIMED = (
    "A bound of the inverse is not claimed. A diagonal of at least m bounds the diagonal of the inverse by 1/m, not "
    "the inverse: [[1, 0], [1e6, 1]] has diagonal 1 and an inverse of norm 1e6. Numerical inverses are tested by their "
    "residual, which bounds the error only through the condition of the layer. Where a diagonal entry is tiny (its "
    "bound below 3e-4, the root of float32's rounding unit), x itself is not determined in float32: the residual is "
    "met, x may differ. Which inputs an output depends on is not claimed either."
)

_BOOKKEEPING = {
    "LET": "names a subformula; its proof stands above",
    "USE": "a definition whose proof stands above, at its arguments",
    "REPEAT": "copies of a block, proved once",
    "CLASS": "what the formula gives when it proves no bijection",
    "DEQUANT": "uniform noise on integers; outside the bijection",
    "PRIOR": "the distribution of the latent; outside the bijection",
    "HEAD": "a classifier's net; outside the bijection",
    "FAIL": "the formula has no value for some input",
}


def proof_text(found: Sequence[Proved], program: ir.Program, sources: Mapping[str, Source], at: Terminal) -> list[str]:
    """The derivations, one after the other."""
    lines: list[str] = []
    for one in found:
        lines += [*_heading(one, program, sources, at), *tree(one.proof.derivation, sources, at), ""]
    return lines


def _heading(one: Proved, program: ir.Program, sources: Mapping[str, Source], at: Terminal) -> list[str]:
    definition = program.definitions[one.key]
    is_layer = isinstance(definition, ir.Layer)
    kind = "layer" if is_layer else "flow"
    source = sources.get(definition.name_span.file)
    line = source.position(definition.name_span.start).line if source else 0
    title = f"{kind} {definition.name} on {definition.shape}"
    place = f"{printable(definition.name_span.file)}:{line}"
    gap = at.width - len(title) - len(place)
    if gap >= 2:
        lines = [at.style("bold", title) + " " * gap + at.style("faint", place)]
    else:
        lines = [at.style("bold", title), f"  {at.style('faint', place)}"]
    bound = [f"{name} = {value}" for name, value in one.bindings.items() if not isinstance(value, ir.FormalOrder)]
    for_all = [f"for all {free(definition)}"] if free(definition) else []
    settled = for_all + bound
    if isinstance(one.proof, LayerProof) and str(one.proof.working):
        settled.insert(0, f"order {one.proof.working}")
    if settled:
        lines += [f"  {part}" for part in wrap("; ".join(settled), at.width - 2)]
    claims = ", ".join(map(str, definition.claims))
    failed = bool(one.proof.diagnostics)
    verdict = facts(one.proof, None).conclusion
    if isinstance(one.proof, LayerProof):
        verdict = f"{class_of(one.proof)}; {verdict}"
    word = at.style("red", "NOT PROVED") if failed else at.style("green", proved_word(one.proof))
    lines += [f"  {part}" for part in wrap(f"claims {claims}: {word}" if claims else "claims nothing", at.width - 2)]
    lines += [f"  {part}" for part in wrap(f"follows: {verdict}", at.width - 2)]
    if one.proof.assumptions:
        lines.append("  what is assumed, the module checks when weights are loaded and before each inverse")
    return [*lines, ""]


@dataclass(frozen=True, slots=True)
class _Row:
    lead: str  # branches before the expression
    rest: str  # branches on further lines of the same row
    subject: str
    conclusion: str
    rule: str


def tree(derivation: Derivation, sources: Mapping[str, Source], at: Terminal) -> list[str]:
    """Expression, what is known of it, and the rule with its note; premises are branches below."""

    def text(span: Span) -> str:
        source = sources.get(span.file)
        return printable(" ".join(source.slice(span).split())) if source else "?"

    rows = _rows(derivation, text, at.boxes)
    first = max(len(r.lead) + len(r.subject) for r in rows)
    third = max(len(r.rule) for r in rows)
    second = max(len(r.conclusion) for r in rows)
    room = at.width - 4
    first = min(first, max(room * 2 // 5, room - second - third))
    second = min(second, max(room * 2 // 5, room - first - third))
    third = max(room - first - second, 16)
    lines = []
    for row in rows:
        cells = (wrap(row.subject, max(first - len(row.lead), 12)), wrap(row.conclusion, second), wrap(row.rule, third))
        for i in range(max(map(len, cells))):
            a, b, c = (cell[i] if i < len(cell) else "" for cell in cells)
            lead = row.lead if i == 0 else row.rest
            a = lead + a
            line = f"{a:<{first}}  {b:<{second}}  "
            lines.append((line + at.style("cyan", c)).rstrip() if c else line.rstrip())
    return lines


def _rows(top: Derivation, text: Callable[[Span], str], boxes: bool) -> list[_Row]:
    branch, last, bar = ("├ ", "└ ", "│ ") if boxes else ("+ ", "+ ", "| ")
    rows: list[_Row] = []
    stack: list[tuple[Derivation, str, str]] = [(top, "", "")]
    while stack:
        node, lead, below = stack.pop()
        subject = node.title or text(node.subject)
        rule = node.rule + (f"  {node.note}" if node.note else "")
        rows.append(_Row(lead, below + (bar if node.premises else "  "), subject, node.conclusion, rule))
        for i in reversed(range(len(node.premises))):
            end = i == len(node.premises) - 1
            stack.append((node.premises[i], below + (last if end else branch), below + ("  " if end else bar)))
    return rows


def rules_text(found: Sequence[Proved], at: Terminal) -> list[str]:
    """The rules that the derivations use, with statement, hypotheses and source; then what is not claimed."""
    names = set().union(*(one.proof.derivation.rules() for one in found)) if found else set()
    if any("TIE" in d.note for one in found for d in _nodes(one.proof.derivation)):
        names.add("TIE")
    lines = [at.style("bold", "Rules used"), ""]
    for name, rule in RULES.items():
        if name not in names:
            continue
        for label, body in (("", rule.statement), ("needs", rule.hypotheses), ("from", rule.citation)):
            head = at.style("cyan", f"{name:<8}") if not label else " " * 8
            body = f"{label}: {body}" if label else body
            parts = wrap(body, at.width - 10)
            lines += [f"  {head}{parts[0]}", *(" " * 10 + part for part in parts[1:])]
    words = [f"{name}: {text}" for name, text in _BOOKKEEPING.items() if name in names]
    if words:
        lines += ["", *(f"  {part}" for part in wrap("No rules: " + "; ".join(words) + ".", at.width - 2))]
    return lines


def not_claimed(at: Terminal) -> list[str]:
    """What the proof does not say."""
    return [at.style("bold", "Not claimed"), "", *(f"  {part}" for part in wrap(NOT_CLAIMED, at.width - 2))]


def _nodes(top: Derivation) -> Iterator[Derivation]:
    stack = [top]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.premises)
