"""Text for terminals: colours, diagnostics, one line for each result, tables."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mintdsl.core import ir
from mintdsl.core.canonical import extern_nets
from mintdsl.core.claim_words import INVERSES, LOG_DETS
from mintdsl.core.interval import REAL
from mintdsl.diagnostics.model import Diagnostic
from mintdsl.diagnostics.render import render, summary
from mintdsl.driver import Checked, Report
from mintdsl.proof.check import LayerProof
from mintdsl.proof.jacobian import DENSE, NONE, PARTS
from mintdsl.proof.prover import FlowProof, Proof, Prover
from mintdsl.source import Source

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

_CODES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36", "faint": "2"}


@dataclass(frozen=True, slots=True)
class Terminal:
    """How to write to standard output (or error): colours, width, and whether it can show lines of boxes."""

    color: bool
    width: int
    boxes: bool

    def style(self, name: str, text: str) -> str:
        """`text` in a colour or weight, if there are colours."""
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.color and text else text


def terminal(*, err: bool = False) -> Terminal:
    """From NO_COLOR, FORCE_COLOR and the stream; 110 columns where the output is no terminal."""
    stream = sys.stderr if err else sys.stdout
    tty = stream.isatty()
    color = tty and os.environ.get("TERM") != "dumb"
    if os.environ.get("FORCE_COLOR"):
        color = True
    if os.environ.get("NO_COLOR"):
        color = False
    width = shutil.get_terminal_size((110, 24)).columns if tty or "COLUMNS" in os.environ else 110
    boxes = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "") in ("utf8", "utf8sig")
    return Terminal(color, max(60, min(width, 120)), boxes)


def diagnostics(found: Sequence[Diagnostic], sources: Mapping[str, Source], *, err: bool = False) -> Iterator[str]:
    """The lines of all diagnostics in full, and how many there are."""
    if found:
        at = terminal(err=err)
        yield render(found, sources, color=at.color, width=at.width)
        yield at.style("bold", summary(found))


# ---------------------------------------------------------------- results


@dataclass(frozen=True, slots=True)
class Facts:
    """What a proof says of one definition, in its own words."""

    proved: bool
    conclusion: str
    jacobian: str
    log_det: str
    inverse: str


def facts(proof: Proof, dims: int | None, order: str = "") -> Facts:
    """The words for a proof; `dims` puts the number of coordinates in place of D."""
    bijection = proof.bijection
    inverse, log_det = INVERSES[proof.inverse], LOG_DETS[proof.log_det]
    if isinstance(proof, FlowProof) and proof.passage.absent:
        log_det = f"{log_det}: {proof.passage.absent}"
    jacobian = class_of(proof, order) if isinstance(proof, LayerProof) else ""
    if bijection is None:
        return Facts(False, "not proved invertible", jacobian, "", "")
    mode = ", in evaluation mode" if proof.evaluation_only else ""
    if bijection.codomain is None:
        return Facts(True, f"injective only{mode}: {bijection.why_not_onto}", jacobian, log_det, inverse)
    power = f"^{dims if dims is not None else 'D'}"

    def box(interval: object) -> str:
        return f"R{power}" if interval == REAL else f"{interval}{power}"

    same = bijection.domain == bijection.codomain
    where = box(bijection.domain) if same else f"{box(bijection.domain)} onto {box(bijection.codomain)}"
    return Facts(True, f"bijection of {where}{mode}", jacobian, log_det, inverse)


def proved_word(proof: Proof) -> str:
    """`proved`, or under which checked assumptions."""
    named = ", ".join(proof.assumptions)
    if not named:
        return "proved"
    return f"proved under {'a checked assumption' if len(proof.assumptions) == 1 else 'checked assumptions'} {named}"


def class_of(proof: LayerProof, order: str = "") -> str:
    """`lower triangular in raster (h, w, c), diagonal in [1, 2]`."""
    jacobian = proof.jacobian
    if jacobian.off == DENSE:
        blocks = proof.parts and proof.bijection is not None  # else the parts may read each other in a circle
        return f"block triangular in its parts {', '.join(part.name for part in proof.parts)}" if blocks else "dense"
    if jacobian.off == NONE:
        return f"diagonal Jacobian with entries in {jacobian.diag}"
    if proof.parts:
        order = f"its parts {', '.join(part.name for part in proof.parts)}"
    place = f" in {order}" if order else ""
    if jacobian.off == PARTS:
        return f"triangular in some order of {order}, diagonal in {jacobian.diag}"
    if jacobian.strict:
        return f"strictly {jacobian.off} triangular{place}"
    return f"{jacobian.off} triangular{place}, diagonal in {jacobian.diag}"


def order_of(program: ir.Program, key: str, prover: Prover) -> str:
    """`channel_major (c, h, w)`; nothing for a flow, or where an argument decides."""
    definition = program.definitions[key]
    bindings = prover.defaults(key)
    if not isinstance(definition, ir.Layer) or bindings is None:
        return ""
    proof = prover.prove(key, bindings)
    assert isinstance(proof, LayerProof)
    return str(proof.working)


def coordinates(definition: ir.Definition, sizes: Mapping[str, int]) -> int | None:
    """How many coordinates its shape has, where that is a number."""
    values = dict(sizes)
    for formal in definition.formals:
        default = getattr(formal.default, "constant", None)
        if formal.type == "Nat" and isinstance(default, int):
            values.setdefault(formal.name, default)
    total = 1
    for size in definition.shape.dims:
        if not size.symbols <= set(values):
            return None
        ratio = size.evaluate(values)
        total *= ratio.top
    return total if definition.shape.dims else None


def located(definition: ir.Definition) -> str:
    """Where a definition is, as a program says it: `Vec[D] given c : Vec[M]`."""
    given = definition.given
    return f"{definition.shape}" + (f" given {given.name} : {given.shape}" if given is not None else "")


def open_sizes(definition: ir.Definition) -> list[str]:
    """The names in the sizes of its shape, then in those of its context."""
    shapes = [definition.shape, *([definition.given.shape] if definition.given is not None else [])]
    return list(dict.fromkeys(name for shape in shapes for size in shape.dims for name in sorted(size.symbols)))


def free(definition: ir.Definition) -> str:
    """The names for all values of which the proof holds: `C, H, W, K and tri`."""
    names = open_sizes(definition)
    names += [f.name for f in definition.formals if f.type in ("Nat", "Dir") and f.default is None]
    names = list(dict.fromkeys(names))
    if definition.shape.kind == "Any":
        names.insert(0, f"shapes {definition.shape.name}")
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def lines(report: Report, program: ir.Program, sizes: Mapping[str, int]) -> list[str]:
    """One line for each definition: what is proved, and its parameters."""
    width = max((len(r.name) for r in report.results), default=0)
    return [f"{r.name:<{width}}  {line(r, program, sizes)}" for r in report.results]


def line(result: Checked, program: ir.Program, sizes: Mapping[str, int]) -> str:
    """What is proved of one definition."""
    definition = program.definitions[result.key]
    said = facts(result.proof, coordinates(definition, sizes), order_of(program, result.key, Prover(program)))
    parts = [*filter(None, [said.jacobian]), said.conclusion]
    if said.proved:
        parts += [f"log_det {said.log_det}", f"inverse {said.inverse}"]
    if result.counts is not None:
        besides = ", ".join(extern_nets(program, result.key))
        count = f"{result.counts.stored:,} parameters ({result.counts.live:,} live)"
        parts.append(f"{count} besides those of {besides}" if besides else count)
    elif free(definition):
        parts.append(f"for all {free(definition)}")
    bijection = result.proof.bijection
    whole = bijection is not None and bijection.codomain is not None
    return (f"{proved_word(result.proof)}: " if whole or result.proof.assumptions else "") + " | ".join(parts)


# ---------------------------------------------------------------- tables


class Row(Protocol):
    """One comparison of `mint verify`."""

    @property
    def check(self) -> str:
        """What is compared."""

    @property
    def where(self) -> str:
        """On which layer and weights."""

    @property
    def worst(self) -> float:
        """What was found."""

    @property
    def allowed(self) -> float:
        """The most that passes."""

    @property
    def ok(self) -> bool:
        """Whether it passed."""


class Rows(Protocol):
    """The outcome of `mint verify`."""

    @property
    def rows(self) -> Sequence[Row]:
        """Comparisons of one place stand together."""

    @property
    def notes(self) -> Sequence[str]:
        """What was left out."""


def verification(found: Rows, at: Terminal) -> list[str]:
    """The comparisons under the place where they were made; those that failed stand out."""
    width = max((len(r.check) for r in found.rows), default=0)
    head = f"  {'':<{width}}  {'worst':>9}  {'allowed':>9}"
    lines = [at.style("faint", head)]
    where = None
    for row in found.rows:
        if row.where != where:
            where = row.where
            lines += [at.style("bold", part) for part in wrap(where, at.width)]
        verdict = at.style("green", "ok") if row.ok else at.style("red", "FAILED")
        lines.append(f"  {row.check:<{width}}  {row.worst:>9.3g}  {row.allowed:>9.3g}  {verdict}")
    for note in found.notes:
        first, *rest = wrap(note, at.width - 6)
        lines += [f"note: {first}", *(f"      {part}" for part in rest)]
    return [*lines, ""]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], at: Terminal) -> list[str]:
    """Columns as wide as they need; the last one is wrapped to the width of the terminal."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    left = sum(widths[:-1]) + 2 * (len(widths) - 1)
    widths[-1] = max(min(widths[-1], at.width - left), 24)

    def row_lines(row: Sequence[str]) -> list[str]:
        first, *rest = wrap(row[-1], widths[-1])
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
        return ["  ".join([*cells, first]).rstrip(), *(" " * left + part for part in rest)]

    found = [at.style("bold", text) for text in row_lines(head)]
    found.append(at.style("faint", "  ".join("-" * w for w in widths)))
    for row in rows:
        found += row_lines(row)
    return found


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width`, broken at spaces; at least one line."""
    found = [""]
    for word in text.split(" "):
        while len(word) > width:
            room = width - len(found[-1]) - bool(found[-1])
            if room > 8:
                found[-1] += (" " if found[-1] else "") + word[:room]
                word = word[room:]
            found.append("")
            if room <= 8:
                found[-1], word = word[:width], word[width:]
                found.append("")
        if found[-1] and len(found[-1]) + 1 + len(word) > width:
            found.append(word)
        else:
            found[-1] = f"{found[-1]} {word}" if found[-1] else word
    return [part for part in found if part] or [""]
