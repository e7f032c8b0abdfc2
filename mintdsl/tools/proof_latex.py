r"""A proof as a LaTeX document: the formula typeset, theorems, steps with their premises above them, a bibliography.

It compiles with any LaTeX that has amsmath, amssymb, array, longtable and geometry, and holds ASCII only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never

from mintdsl.core import ir
from mintdsl.core.norms import in_norm, norm_of_map
from mintdsl.proof.rules import RULES
from mintdsl.tools import tex
from mintdsl.tools.proof_document import NOT_CLAIMED, NUMERICAL, Document, Formula, Section, Step
from mintdsl.tools.proof_words import consequences, given, kind_of, numbers
from mintdsl.tools.tex import Typeset, code, prose, text

STEP, DISPLAY, DEFINITION = 90, 84, 700
"""Characters of an expression in a step, of one that stands displayed, of one that a definition shows at most."""
LEAN, DEEPEST = 0.8, 9
"""Ems by which a premise stands further right, and how many times."""

_HEAD = r"""\documentclass[10pt,a4paper]{article}
\usepackage[margin=2.3cm]{geometry}
\usepackage{amsmath,amssymb,array,longtable}
\newtheorem{theorem}{Theorem}
\newcommand{\lean}[1]{\leftskip=#1em\relax}
\newcommand{\by}[1]{{\small\textsf{#1}}}
\newcommand{\note}[1]{\newline{\footnotesize #1}}
\newcommand{\infer}[2]{\[\frac{\parbox{0.8\linewidth}{\centering #1}}{\parbox{0.8\linewidth}{\centering #2}}\]}
\setlength{\LTleft}{0pt}
\setlength{\LTright}{0pt}
\emergencystretch=3em
"""
_TABLE = (
    r"\begin{longtable}{@{}r@{\hspace{0.8em}}>{\raggedright}p{0.42\linewidth}@{\hspace{1em}}"
    r">{\raggedright}p{0.33\linewidth}@{\hspace{1em}}>{\raggedright\arraybackslash}p{0.13\linewidth}@{}}"
)


def latex(document: Document) -> str:
    """The whole document."""
    sources = _Sources()
    lines = [
        f"% Proof of {document.name}, written by mint prove.",
        _HEAD.rstrip("\n"),
        rf"\title{{Proof of {code(document.name)}}}",
        r"\author{}",
        r"\date{}",
        r"\begin{document}",
        r"\maketitle",
        *_preface(document),
    ]
    for section in document.sections:
        lines += ["", *_Part(section).lines()]
    lines += ["", *_rules(document, sources), *_numerical(document)]
    lines += ["", r"\section*{Not claimed}", prose(NOT_CLAIMED), *sources.bibliography(), r"\end{document}"]
    return "\n".join(lines) + "\n"


def _preface(document: Document) -> list[str]:
    lines = [
        r"\noindent Each step follows by the rule named at its right from the steps in brackets, which stand above it. "
        r"Statements hold for all sizes, and for all weights that the constraints allow; \emph{diag} is the set of "
        r"difference quotients of an element in its own coordinate, $D$ the number of elements. "
        r"$\langle n \rangle$ stands for the expression of step $n$."
    ]
    if document.hash:
        half = len(document.hash) // 2
        lines.append(
            rf"The statement of {code(document.name)} has the SHA-256 hash "
            rf"\texttt{{{document.hash[:half]}\allowbreak{{}}{document.hash[half:]}}}."
        )
    return lines


# ---------------------------------------------------------------- definitions


class _Part:
    """The theorem of one definition, and its proof."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.typeset = {s.number: t for f in section.formulas for s, t in zip(f.steps, typeset(f, STEP), strict=True)}

    def lines(self) -> list[str]:
        section = self.section
        lines = [
            rf"\section*{{{section.kind.capitalize()} {code(section.name)}}}",
            rf"{{\small\raggedright {code(section.place)}\par}}",
        ]
        if section.definition.doc:
            lines.append(rf"{{\itshape\raggedright {_doc(section.definition.doc)}\par}}")
        if section.holds:
            lines += [rf"\begin{{theorem}}[{code(section.name)}]", *self._statement(), r"\end{theorem}"]
        else:
            lines += [rf"\paragraph{{Not proved: {code(', '.join(section.claims))}.}}", *self._statement()]
            lines += [rf"\par\textbf{{{text(d.code)}}}: {prose(d.title)}." for d in section.proved.proof.diagnostics]
        lines += [r"\par\noindent\emph{Steps.}", _TABLE, r" & expression & what is known & by \\ \hline \endhead"]
        lines += [self._step(step) for step in section.steps]
        return [*lines, r"\end{longtable}"]

    def _statement(self) -> list[str]:
        section = self.section
        lines = [*_given(section)]
        if isinstance(section.definition, ir.Layer):
            layer = section.definition
            context = (
                ""
                if layer.given is None
                else rf" and ${tex.name(layer.given.name)} \in {tex.space(layer.given.shape)}$"
            )
            lines.append(rf"For ${tex.name(layer.variable)} \in {tex.space(layer.shape)}${context} let")
            lines += self._definition()
            lines += list(_parameters(layer))
        lines.append(rf"Then {tex.code(section.name)} satisfies")
        lines.append(r"\begin{itemize}\setlength{\itemsep}{0pt}")
        lines += [rf"\item {prose(said)}" for said in consequences(section)]
        lines.append(r"\end{itemize}")
        if section.claims:
            word = f"Claimed and {section.verdict}" if section.holds else "Claimed"
            word = prose(word)
            lines.append(rf"{word}: {code(', '.join(section.claims))}.")
        return lines

    def _definition(self) -> list[str]:
        parts = [(head(f), typeset(f, DEFINITION)[-1]) for f in self.section.formulas]
        if not parts:
            return []
        if all(known.width <= DISPLAY for _, known in parts):
            rows = [rf"  {left} &= {known.tex}" for left, known in parts]
            return [r"\begin{align*}", " \\\\\n".join(rows), r"\end{align*}"]
        hang = r"\hangindent=2em\hangafter=1"
        return [
            r"\begin{flushleft}",
            *(rf"{hang} ${left} = {known.tex}$\par" for left, known in parts),
            r"\end{flushleft}",
        ]

    # ------------------------------------------------------------ steps

    def _step(self, step: Step) -> str:
        known = tex.class_of(step.fact) if step.fact is not None else prose(step.node.conclusion)
        if step.node.note:
            known += rf"\note{{{prose(step.node.note)}}}"
        premises = (step.refers,) if isinstance(step.refers, int) else step.premises
        by = rf"\by{{{text(step.node.rule)}}} {text(numbers(premises))}".rstrip()
        lean = min(step.depth, DEEPEST) * LEAN
        return rf"({step.number}) & \lean{{{lean:.1f}}}{self._expression(step)} & {known} & {by} \\"

    def _expression(self, step: Step) -> str:
        if step.number in self.typeset:
            return f"${self.typeset[step.number].tex}$"
        match = re.fullmatch(r"(\w+)(?:\[([\w, ]+)\]|\((\w+)\))? =", step.node.title, re.ASCII)
        if match and step.premises:
            left = tex.family(match[1], match[2].split(", ") if match[2] else ())
            left = f"{tex.upright(match[1])}({tex.name(match[3])})" if match[3] else left
            return rf"${left} = \langle {step.premises[0]} \rangle$"
        return code(step.text)


def typeset(formula: Formula, widest: int) -> list[Typeset]:
    """Every node of a formula, no wider than about `widest` characters."""
    steps = [(step.number, step.text) for step in formula.steps]
    return tex.formula(formula.root, steps, widest)


def head(formula: Formula) -> str:
    """The left side of the definition that a formula makes."""
    match formula.of:
        case ir.Let(name=name, indices=indices):
            return tex.family(name, indices)
        case ir.Layer(name=name) | ir.DefinedAct(name=name):
            return f"{tex.upright(name)}({tex.name(formula.variable)})"
        case _:
            assert_never(formula.of)


def _given(section: Section) -> Iterator[str]:
    found = given(section)
    parts = [rf"{code(name)} be any shape" for name in found.shapes]
    if found.sizes:
        many = "whole numbers" if len(found.sizes) > 1 else "a whole number"
        parts.append(rf"${', '.join(map(tex.name, found.sizes))} \geq 1$ be {many}")
    parts += [rf"\textit{{{text(name)}}} be \emph{{lower}} or \emph{{upper}}" for name in found.directions]
    for name, value in found.values:
        if isinstance(value, (ir.BuiltinAct, ir.DefinedAct, ir.FormalAct)):
            parts.append(f"${tex.name(name)} = {tex.activation(value)}$")
        else:
            parts.append(f"${tex.name(name)}$ = {code(str(value))}")
    if parts:
        yield f"Let {', let '.join(parts)}."


def _doc(words: str) -> str:
    """A doc comment; what stands between backticks is code."""
    parts = " ".join(words.split()).split("`")
    return "".join(code(part) if i % 2 and i < len(parts) - 1 else text(part) for i, part in enumerate(parts))


def _parameters(layer: ir.Layer) -> Iterator[str]:
    """The parameters and what binds them; those of one kind stand together."""
    kinds: dict[str, list[str]] = {}
    for param in layer.params:
        kinds.setdefault(_described(param), []).append(f"${tex.family(param.name, param.indices)}$")
    if kinds:
        yield "with the parameters"
        yield r"\begin{itemize}\setlength{\itemsep}{0pt}"
        for words, names in kinds.items():
            yield rf"\item {', '.join(names)}: {words}"
        yield r"\end{itemize}"
    for extent in dict.fromkeys(extent for _, extent in layer.indices):
        running = ", ".join(tex.name(index) for index, size in layer.indices if size == extent)
        yield rf"Here ${running}$ run over ${tex.size(extent)}$ values."


def _described(param: ir.Param) -> str:
    words = prose(kind_of(param))
    if param.bound is not None and param.limited:
        limit = tex.name(param.bound.formal) if param.bound.formal else tex.number(param.bound.numbers[0])
        words += rf", $\operatorname{{lip}} \leq {limit}${in_norm(norm_of_map(param))}"
    elif param.bound is not None:
        ends = ", ".join(map(tex.number, param.bound.numbers))
        relation = {
            ">=": rf"\geq {ends}", "> 0": "> 0", ">= 0": r"\geq 0", "!= 0": r"\neq 0", "== 1": "= 1",
            ">= <=": rf"\in [{ends}]",
        }.get(param.bound.cmp)  # fmt: skip
        words += rf", $\operatorname{{diag}} {relation}$" if relation else f", {code(param.bound.cmp)}"
    if param.pivot is not None:
        others = r" \cdot ".join(
            rf"\operatorname{{sign}}\operatorname{{diag}}({tex.family(f.name, f.indices)})" for f in param.pivot.others
        )
        sign = "" if param.pivot.sign > 0 else "-"
        words += rf", $\operatorname{{sign}}\operatorname{{diag}} = {sign}{others}$"
    return words


# ---------------------------------------------------------------- rules and sources


def _rules(document: Document, sources: _Sources) -> list[str]:
    lines = [r"\section*{Rules}"]
    for rule in document.rules:
        above, arrow, under = (part.strip() for part in rule.statement.partition("   =>   "))
        lines.append(rf"\paragraph{{{text(rule.name)}}}")
        if arrow:
            lines += [rf"\infer{{{prose(above)}}}{{{prose(under)}}}"]
        else:
            lines.append(rf"{prose(rule.statement)}.")
        if rule.hypotheses != "none":
            lines.append(rf"Needs: {prose(rule.hypotheses)}.")
        lines.append(f"Source: {sources.cited(rule.citation)}.")
    words = "; ".join(rf"\by{{{text(name)}}}: {prose(said)}" for name, said in document.bookkeeping)
    return [*lines, rf"\paragraph{{No rules}} {words}."] if words else lines


def _numerical(document: Document) -> Iterator[str]:
    if document.numerical:
        title, _, words = NUMERICAL.partition(": ")
        yield from ("", rf"\section*{{{title}}}", f"{words[:1].upper()}{words[1:]}.")
    for one in document.numerical:
        yield rf"\paragraph{{{text(one.title)}}}"
        yield r"\begin{itemize}\setlength{\itemsep}{0pt}"
        yield from (rf"\item {text(name)}: {prose(said)}" for name, said in one.rows)
        yield r"\end{itemize}"
    if document.formula:
        yield prose(document.formula)


class _Sources:
    """The bibliography: one entry for each paper that the rules cite, in the order of use."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    def cited(self, citation: str) -> str:
        """A citation with references to the bibliography."""
        parts = []
        for part in citation.split("; "):
            key, entry, place = source_of(part)
            if not key:
                parts.append(prose(part))
                continue
            self.entries.setdefault(key, entry)
            parts.append(rf"\cite[{{{prose(place)}}}]{{{key}}}" if place else rf"\cite{{{key}}}")
        return "; ".join(parts)

    def bibliography(self) -> list[str]:
        """The list at the end."""
        if not self.entries:
            return []
        items = [rf"\bibitem{{{key}}} {text(entry)}." for key, entry in self.entries.items()]
        return ["", r"\begin{thebibliography}{9}", r"\raggedright", *items, r"\end{thebibliography}"]


def source_of(part: str) -> tuple[str, str, str]:
    """The key of a citation's paper, the paper and the place in it; no key where there is none.

    A paper is known by its number in arXiv, else by its year; of all the ways in which the rules cite it the fullest
    stands in the bibliography.
    """
    match = re.match(r"(.*?arXiv:(\d{4}\.\d{4,5}))(?:, )?(.*)", part)
    if match:
        written = [m[1] for r in RULES.values() for p in r.citation.split("; ")
                   if (m := re.match(rf"(.*?arXiv:{re.escape(match[2])})", p))]  # fmt: skip
        fullest = max([*written, match[1]], key=lambda entry: (not entry[:1].islower(), len(entry)))
        return f"arxiv{match[2]}", fullest, match[3].strip()
    if re.search(r"\b(?:18|19|20)\d\d\b", part):
        return re.sub(r"[^a-z0-9]+", "", part.lower())[:40], part, ""
    return "", "", ""
