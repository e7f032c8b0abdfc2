r"""Formulas, classes and words in LaTeX: `W_2^{(i, j)}`, sums with \sum, activations upright.

Everything that comes from a program goes through `text` or `name`; nothing else of it reaches a document.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from math import isinf
from typing import NamedTuple

from mintdsl.core import ir
from mintdsl.core.interval import REAL, Interval
from mintdsl.core.nat import Nat
from mintdsl.core.postorder import Node, postorder
from mintdsl.proof.jacobian import DENSE, NONE, Jacobian, Signed

# ---------------------------------------------------------------- words

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "`": r"\char96{}", "'": r"\char39{}", "\t": "    ", "\n": " ",
    "\u2013": r"\textendash{}", "\u2014": r"\textemdash{}", "\u2018": "`", "\u2019": "'", "\u201c": "``",
    "\u201d": "''", "\u2026": r"\dots{}",
}  # fmt: skip
_SMALL = "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi pi rho sigma tau phi chi psi omega"
_CAPITAL = "Gamma Delta Theta Xi Pi Sigma Phi Psi Omega"
_LETTERS = {*_SMALL.split(), *_CAPITAL.split()}
_GREEK = {
    unicodedata.lookup(f"GREEK {'SMALL' if word.islower() else 'CAPITAL'} LETTER {word}"): rf"\ensuremath{{\{word}}}"
    for word in _LETTERS
}
_MATHS = {
    "\u2211": r"\ensuremath{\sum}", "\u2264": r"\ensuremath{\leq}", "\u2265": r"\ensuremath{\geq}",
    "\u2260": r"\ensuremath{\neq}", "\u00d7": r"\ensuremath{\times}", "\u00b7": r"\ensuremath{\cdot}",
    "\u2192": r"\ensuremath{\to}", "\u2208": r"\ensuremath{\in}", "\u221e": r"\ensuremath{\infty}",
    "\u00b1": r"\ensuremath{\pm}", "\u00b0": r"\ensuremath{^\circ}", "\u00b2": r"\ensuremath{^2}",
    "\u00b3": r"\ensuremath{^3}", "\u2299": r"\ensuremath{\odot}", "\u211d": r"\ensuremath{\mathbb{R}}",
}  # fmt: skip
_CHARACTERS = _SPECIAL | _GREEK | _MATHS
# Letters that LaTeX's own UTF-8 table has in every font encoding: accents on a base letter.
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r", "\u0327": "c",
            "\u030c": "v", "\u0304": "=", "\u0307": ".", "\u030b": "H"}  # fmt: skip
_DOTLESS = {"i": r"\i", "j": r"\j"}


def text(words: str) -> str:
    """Words for text mode; what LaTeX may not know is shown by its number."""
    return "".join(_character(char) for char in words).replace("--", "-{}-")


def _character(char: str) -> str:
    if char in _CHARACTERS:
        return _CHARACTERS[char]
    if " " <= char <= "~":
        return char
    parts = unicodedata.normalize("NFD", char)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS:
        return rf"\{_ACCENTS[parts[1]]}{{{_DOTLESS.get(parts[0], parts[0])}}}"
    return "{\\ss}" if char == "\u00df" else f"[U+{ord(char):04X}]"


def code(words: str) -> str:
    """Words in typewriter, which may be broken after brackets and within long names."""
    parts, run = [], 0
    for char in words:
        parts.append(_character(char))
        run = 0 if char == " " else run + 1
        if char in "(/[" or run == 24:
            parts.append(r"\allowbreak{}")
            run = 0
    return rf"\texttt{{{''.join(parts)}}}"


_NUMBER = r"-?(?:inf|\d[\d.]*(?:e[-+]?\d+)?)"
_PIECES = re.compile(
    rf"(?P<space>R\^(?P<power>\d+|[A-Z]\b)|(?<=onto )R\b)|(?P<interval>[(\[]{_NUMBER}, {_NUMBER}[)\]])(?P<box>\^D)?"
    r"|(?P<sign>sign|diag)\((?P<name>[A-Za-z]\w*)(?:\[(?P<indices>[\w, ]+)\])?\)|(?P<times> \* )"
    r"|(?P<mark>->|=>|>=|<=|!=)|(?P<rows>\b\d+)x(?P<columns>\d+\b)|(?P<number>(?<![\w.])\d+(?:\.\d+)?e[-+]?\d+)"
)
_MARKS = {"->": r"\to", "=>": r"\Rightarrow", ">=": r"\geq", "<=": r"\leq", "!=": r"\neq"}


def prose(words: str) -> str:
    """Sentences of the checker: intervals, signs, powers and arrows in them become mathematics."""
    parts, at = [], 0
    for match in _PIECES.finditer(words):
        parts += [text(words[at : match.start()]), _piece(match)]
        at = match.end()
    return "".join([*parts, text(words[at:])])


def _piece(match: re.Match[str]) -> str:
    if match["space"]:
        return rf"$\mathbb{{R}}^{{{match['power']}}}$" if match["power"] else r"$\mathbb{R}$"
    if match["interval"]:
        left, *ends, right = re.findall(r"[(\[\])]|[^()\[\],\s]+", match["interval"])
        return f"${left}{', '.join(map(_digits, ends))}{right}{'^{D}' if match['box'] else ''}$"
    if match["sign"]:
        indices = match["indices"].split(", ") if match["indices"] else ()
        return rf"$\operatorname{{{match['sign']}}}({family(match['name'], indices)})$"
    if match["times"]:
        return r" $\cdot$ "
    if match["rows"]:
        return rf"${match['rows']} \times {match['columns']}$"
    return f"${_digits(match['number'])}$" if match["number"] else f"${_MARKS[match['mark']]}$"


# ---------------------------------------------------------------- names and numbers


def name(word: str) -> str:
    r"""A name: `t`, `W_1`, `\alpha`, `\mathit{shift}`; digits at its end are a subscript, long ones may be broken."""
    stem, digits = re.fullmatch(r"(.*?)(\d*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
    if not stem:
        return rf"\mathrm{{{digits}}}"
    if stem in _LETTERS:
        found = rf"\{stem}"
    elif len(stem) == 1 and stem.isascii() and stem.isalpha():
        found = stem
    else:
        pieces = [stem[i : i + 16] for i in range(0, len(stem), 16)]
        font = r"\mathit" if re.fullmatch(r"[A-Za-z0-9_]+", stem) else r"\mbox"
        found = r"\allowbreak ".join(rf"{font}{{{text(piece)}}}" for piece in pieces)
    pieces = [digits[i : i + 16] for i in range(0, len(digits), 16)]
    return found + "".join(f"_{{{piece}}}" if i == 0 else rf"\allowbreak {piece}" for i, piece in enumerate(pieces))


def upright(word: str) -> str:
    """A name of several letters as an upright word, as those of functions are."""
    return rf"\mathrm{{{text(word)}}}" if re.fullmatch(r"[A-Za-z0-9_]+", word) else rf"\mbox{{{text(word)}}}"


def family(word: str, indices: Sequence[str]) -> str:
    """A name at indices: `W_2^{(i, j)}`."""
    return f"{name(word)}^{{({', '.join(map(name, indices))})}}" if indices else name(word)


def number(value: float) -> str:
    """A number with all its digits: `0.1`, `10^{-12}`, `1.5 \\cdot 10^{-7}`."""
    return _digits("inf" if value == float("inf") else "-inf" if isinf(value) else repr(value + 0.0).removesuffix(".0"))


def _digits(digits: str) -> str:
    if digits.lstrip("-") == "inf":
        return digits.replace("inf", r"\infty")
    mantissa, _, exponent = digits.partition("e")
    if not exponent:
        return digits
    power = f"10^{{{int(exponent)}}}"
    return {"1": power, "-1": f"-{power}"}.get(mantissa, rf"{mantissa} \cdot {power}")


def interval(found: Interval) -> str:
    r"""`[10^{-12}, \infty)`, or `\mathbb{R}`."""
    if found == REAL:
        return r"\mathbb{R}"
    left, right = "(" if found.lo_open else "[", ")" if found.hi_open else "]"
    return f"{left}{_short(found.lo)}, {_short(found.hi)}{right}"


def _short(value: float) -> str:
    return number(value) if isinf(value) else _digits(f"{value + 0.0:.6g}")


def signed(found: Signed) -> str:
    """An interval with the signs in front of it."""
    signs = [rf"\operatorname{{sign}}({family(a.param, a.indices)})" for a in sorted(found.monomial)]
    return r" \cdot ".join([*signs, interval(found.interval)])


def size(found: Nat) -> str:
    """A size: `2 K`, `K / 4`."""
    if not found.terms:
        return "0"
    parts = []
    for symbols, ratio in reversed(found.terms):
        top = ([str(abs(ratio.top))] if abs(ratio.top) != 1 or not symbols else []) + [name(s) for s in symbols]
        body = r"\,".join(top) + (f"/{ratio.bottom}" if ratio.bottom != 1 else "")
        parts.append(("- " if ratio.top < 0 else "+ ") + body)
    first, *rest = parts
    return " ".join([first[2:] if first[0] == "+" else "-" + first[2:], *rest])


def space(shape: ir.Shape) -> str:
    r"""The space of a shape: `\mathbb{R}^{C \times H \times W}`."""
    if not shape.dims:
        return rf"\mathbb{{R}}^{{{name(shape.name or 'S')}}}"
    sizes = r" \times ".join(map(size, shape.dims))
    return rf"\mathbb{{R}}^{{{sizes}}}"


_DIAG = r"\operatorname{diag}"


def _among(what: str, found: Signed) -> str:
    """That a quantity lies in a set, or is a number."""
    if found.interval.lo == found.interval.hi and not found.monomial:
        return f"${what} = {_short(found.interval.lo)}$" if what else f"${_short(found.interval.lo)}$"
    return rf"${what} \in {signed(found)}$" if what else f"in ${signed(found)}$"


def class_of(fact: Jacobian) -> str:
    """The class of an expression: direction, and the set of its diagonal entries."""
    if fact.constant:
        return "constant" if fact.range.interval == REAL else f"constant {_among('', fact.range)}"
    if fact.off == DENSE:
        return "dense"
    off = "diagonal" if fact.off == NONE else rf"\textit{{{text(fact.off)}}}"
    return f"strictly {off}" if fact.strict else f"{off}, {_among(_DIAG, fact.diag)}"


# ---------------------------------------------------------------- formulas

_SUM, _PREFIX, _PRODUCT, _ATOM = range(4)
_ACTS = {"exp": r"\exp", "log": r"\log", "tanh": r"\tanh", "sin": r"\sin"}


class Typeset(NamedTuple):
    """A formula, how tightly it binds, and about how many characters wide it is."""

    tex: str
    binds: int
    width: int


def formula(root: ir.Expr, steps: Sequence[tuple[int, str]], widest: int) -> list[Typeset]:
    """Every node of a formula, operands first; parts of what is wider than `widest` are named by their step.

    `steps` are the number and the source of each node, in the same order.
    """
    found: list[Typeset] = []
    for node, (_, source) in zip(postorder(root), steps, strict=True):
        parts = [found[k] for k in node.operands]
        whole = _typeset(node, parts, source)
        if whole.width > widest:
            parts = [
                Typeset(rf"\langle {steps[k][0]} \rangle", _ATOM, 4) if found[k].width > widest // 6 else found[k]
                for k in node.operands
            ]
            whole = _typeset(node, parts, source)
        found.append(whole)
    return found


def _typeset(node: Node, parts: Sequence[Typeset], source: str) -> Typeset:
    match node.expr:
        case ir.Var(name=word) | ir.Given(name=word):
            return Typeset(name(word), _ATOM, len(word))
        case ir.Scalar(value=float() as value):
            return Typeset(number(value), _ATOM if value >= 0 else _PREFIX, len(repr(value)))
        case ir.Scalar(value=Nat() as nat):
            return Typeset(size(nat), _ATOM if len(nat.terms) < 2 else _SUM, len(str(nat)))
        case ir.Scalar(value=str() as formal):
            return Typeset(name(formal), _ATOM, len(formal))
        case ir.Value() | ir.Ref():
            word = node.expr.param if isinstance(node.expr, ir.Value) else node.expr.name
            return Typeset(family(word, node.expr.indices), _ATOM, len(word) + 2 * len(node.expr.indices))
        case ir.Linear() | ir.Inline():
            (part,) = parts
            param, indices = node.expr.param, node.expr.indices if isinstance(node.expr, ir.Linear) else ()
            inner = rf"\,{part.tex}" if part.binds == _ATOM else f"({part.tex})"
            return Typeset(family(param, indices) + inner, _ATOM, part.width + len(param) + 2 * len(indices) + 1)
        case ir.Apply(act=act):
            return _activated(act, parts[0])
        case ir.Neg():
            return Typeset(f"-{_within(parts[0], _PRODUCT)}", _PREFIX, parts[0].width + 2)
        case ir.Sum(indices=indices):
            body = _within(parts[0], _PRODUCT)
            return Typeset(rf"\sum_{{{', '.join(map(name, indices))}}} {body}", _PREFIX, parts[0].width + 4)
        case ir.Binary(op=op):
            return _binary(op, node.expr, parts)
        case _:
            return Typeset(rf"\mbox{{{code(source)}}}", _PREFIX, len(source))


def _within(part: Typeset, binds: int) -> str:
    return part.tex if part.binds >= binds else f"({part.tex})"


def _activated(act: ir.Act, part: Typeset) -> Typeset:
    if isinstance(act, ir.BuiltinAct) and act.name == "abs":
        return Typeset(rf"\lvert {part.tex} \rvert", _ATOM, part.width + 2)
    return Typeset(f"{activation(act)}({part.tex})", _ATOM, part.width + len(str(act)) + 2)


def activation(act: ir.Act) -> str:
    """The name of an activation, upright; a formal is a variable."""
    match act:
        case ir.BuiltinAct(name=word, options=options):
            found = _ACTS.get(word) or upright(word)
            marks = ", ".join(number(o) if isinstance(o, float) else name(o) for o in options)
            return f"{found}_{{{marks}}}" if marks else found
        case ir.DefinedAct(name=word):
            return upright(word)
        case ir.FormalAct(name=word):
            return name(word)


def _binary(op: str, expr: ir.Binary, parts: Sequence[Typeset]) -> Typeset:
    left, right = parts
    width = left.width + right.width + 3
    match op:
        case "+" | "-":
            plain = right.binds == _PREFIX and not right.tex.startswith("-")
            return Typeset(f"{left.tex} {op} {right.tex if plain else _within(right, _PRODUCT)}", _SUM, width)
        case "*":
            a, b = (isinstance(e, ir.Scalar) for e in (expr.left, expr.right))
            sign = r"\," if a and not b else r"\cdot" if b else r"\odot"
            return Typeset(f"{_within(left, _PRODUCT)} {sign} {_within(right, _ATOM)}", _PRODUCT, width)
        case _:
            return Typeset(rf"\frac{{{left.tex}}}{{{right.tex}}}", _ATOM, max(left.width, right.width) + 1)
