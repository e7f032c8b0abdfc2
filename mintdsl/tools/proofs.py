"""`mint prove` on a terminal: derivations as trees in three columns, and the rules they use."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.tools.proof_document import ASSUMED, NOT_CLAIMED, Document, Row, Section, trees
from mintdsl.tools.show import Terminal, wrap

DEEPEST = 20
"""Branches below each other; what is deeper stands in a tree of its own."""


def text(document: Document, at: Terminal, more: Sequence[str] = (), *, brief: bool = False) -> list[str]:
    """The proofs one after the other, the rules unless `brief`, `more`, and what is not claimed."""
    lines: list[str] = []
    for section in document.sections:
        lines += [*_heading(section, at), ""]
        for root in section.roots:
            for rows in trees(section.tree(root), DEEPEST):
                lines += tree(rows, at)
            lines.append("")
    if not brief:
        lines += [*_rules(document, at), ""]
    return [
        *lines,
        *more,
        at.style("bold", "Not claimed"),
        "",
        *(f"  {part}" for part in wrap(NOT_CLAIMED, at.width - 2)),
    ]


def _heading(section: Section, at: Terminal) -> list[str]:
    title, place = section.title, section.place
    gap = at.width - len(title) - len(place)
    if gap >= 2:
        lines = [at.style("bold", title) + " " * gap + at.style("faint", place)]
    else:
        lines = [at.style("bold", title), f"  {at.style('faint', place)}"]
    if section.settled:
        lines += [f"  {part}" for part in wrap("; ".join(section.settled), at.width - 2)]
    word = at.style("green" if section.holds else "red", section.verdict)
    claims = f"claims {', '.join(section.claims)}: {word}" if section.claims else "claims nothing"
    lines += [f"  {part}" for part in wrap(claims, at.width - 2)]
    lines += [f"  {part}" for part in wrap(f"follows: {section.follows}", at.width - 2)]
    if section.assumptions:
        lines += [f"  {part}" for part in wrap(ASSUMED, at.width - 2)]
    return lines


def tree(rows: Sequence[Row], at: Terminal) -> list[str]:
    """Expression, what is known of it, and the rule with its note; premises are branches below."""
    leads = list(_leads(rows, boxes=at.boxes))
    subjects = [_subject(row, top=i == 0) for i, row in enumerate(rows)]
    rules = [row.step.node.rule + (f"  {row.step.node.note}" if row.step.node.note else "") for row in rows]
    first = max(len(lead) + len(subject) for (lead, _), subject in zip(leads, subjects, strict=True))
    third = max(map(len, rules))
    second = max(len(row.step.node.conclusion) for row in rows)
    room = at.width - 4
    first = min(first, max(room * 2 // 5, room - second - third))
    second = min(second, max(room * 2 // 5, room - first - third))
    third = max(room - first - second, 16)
    lines = []
    for row, (lead, rest), subject, rule in zip(rows, leads, subjects, rules, strict=True):
        conclusion = wrap(row.step.node.conclusion, second)
        cells = (wrap(subject, max(first - len(lead), 12)), conclusion, wrap(rule, third))
        for i in range(max(map(len, cells))):
            a, b, c = (cell[i] if i < len(cell) else "" for cell in cells)
            a = (lead if i == 0 else rest) + a
            line = f"{a:<{first}}  {b:<{second}}  "
            lines.append((line + at.style("cyan", c)).rstrip() if c else line.rstrip())
    return lines


def _subject(row: Row, *, top: bool) -> str:
    """The expression; a part that stands apart is named by the number of its step."""
    if row.below:
        return f"{row.step.text}  [{row.step.number}, below]"
    return f"[{row.step.number}] {row.step.text}" if top and row.step.depth else row.step.text


def _leads(rows: Sequence[Row], *, boxes: bool) -> list[tuple[str, str]]:
    """The branches before each expression, and those before the further lines of the same row."""
    branch, last, bar = ("├ ", "└ ", "│ ") if boxes else ("+ ", "+ ", "| ")
    found = []
    open_bars: list[str] = []
    for row in rows:
        del open_bars[max(row.depth - 1, 0) :]
        above = "".join(open_bars)
        lead = above + (last if row.last else branch) if row.depth else ""
        if row.depth:
            open_bars.append("  " if row.last else bar)
        inner = bool(row.step.premises) and not row.below
        found.append((lead, "".join(open_bars) + (bar if inner else "  ")))
    return found


def _rules(document: Document, at: Terminal) -> list[str]:
    """The rules that the derivations use, with statement, hypotheses and source."""
    lines = [at.style("bold", "Rules used"), ""]
    for rule in document.rules:
        for label, body in (("", rule.statement), ("needs", rule.hypotheses), ("from", rule.citation)):
            head = at.style("cyan", f"{rule.name:<7} ") if not label else " " * 8
            body = f"{label}: {body}" if label else body
            parts = wrap(body, at.width - 10)
            lines += [f"  {head}{parts[0]}", *(" " * 10 + part for part in parts[1:])]
    words = [f"{name}: {text}" for name, text in document.bookkeeping]
    if words:
        lines += ["", *(f"  {part}" for part in wrap("No rules: " + "; ".join(words) + ".", at.width - 2))]
    return lines
