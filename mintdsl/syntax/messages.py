"""What is wrong at a token that cannot stand where it does, and the small repair that reading goes on with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mintdsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Safety
from mintdsl.source import Source, Span
from mintdsl.syntax import words
from mintdsl.syntax.lexer import UNKNOWN, Token
from mintdsl.syntax.lr import Machine
from mintdsl.syntax.suggest import meant, others, suggest
from mintdsl.syntax.tables import END

DIGITS_HELP = "integers go up to 10^15; a float is finite and has digits on both sides of its point"

_LOOPS = frozenset({"for", "while", "in", "loop"})
_PYTHON = {
    "if": "there are no conditions; use an activation, or another layer",
    "else": "there are no conditions; use an activation, or another layer",
    "elif": "there are no conditions; use an activation, or another layer",
    "def": "a function of one variable is `act f(u) = ...`; everything else is a layer or a net",
    "class": "a module is a layer (invertible) or a net (free)",
    "lambda": "a function of one variable is declared as `act f(u) = ...`",
}
_POWERS = frozenset({"**", "^"})
_SIGNS = {
    "%": "`%` is not an operator; `mod` stands in masks, and `/` must divide exactly",
    ";": "nothing ends with `;`: every member begins with its own word",
    ".": "a name has no dots",
    "!": "the only use of `!` is `!=`",
    "&": "claims and constraints are separated by commas",
    "$": "names are the letters a to z and A to Z, digits and underscores",
    "?": "names are the letters a to z and A to Z, digits and underscores",
}
_LOOKALIKES = {"×": "*", "·": "*", "−": "-", "–": "-", "÷": "/", "≥": ">=", "≤": "<=", "≠": "!=", "→": "->"}
_LOOKALIKE_KINDS = {"*": "STAR", "-": "MINUS", "/": "SLASH", ">=": "CMP", "<=": "CMP", "!=": "CMP", "->": "ARROW"}

# What must follow a word and was not there.
_AFTER = {
    "PRIOR": "the name of a prior: normal, logistic or learned_normal",
    "INIT": "the name of an init, such as zeros, ones or normal(std = 0.05)",
    "VIA": "the name of a parametrisation, such as softplus, abs or exp",
    "LOG_DET": "a way to compute it: exact, series(...), roulette(...) or hutchinson(...)",
    "ENSURES": "a claim, such as lower, diag > 0 or invertible",
    "WITH": "a constraint, such as diag > 0, det != 0 or lip <= 0.9",
    "CLASSIFY": "the name of a net",
    "ODE": "the name of a net",
    "MINT": "the number of the edition: `mint 1`",
    "RETURN": "the result of the map",
}
_INSERTED = (("COLON",), ("EQUAL",), ("COMMA",), ("RPAR",), ("RSQB",), ("ARROW",), ("RBRACE",), ("RBRACE",) * 2)


class Fault(NamedTuple):
    """A diagnostic, and the kinds to read instead of the token at fault; None if nothing small repairs it."""

    diagnostic: Diagnostic
    instead: tuple[str, ...] | None


class Place:
    """The place of an error: the machine stuck before `tokens[at]`."""

    def __init__(self, source: Source, machine: Machine, tokens: Sequence[Token], at: int) -> None:
        self.source = source
        self.machine = machine
        self.at = at
        self.token = tokens[at]
        self.before = tokens[at - 1] if at else Token(UNKNOWN, "", 0, 0)
        self.ahead = tuple(token.kind for token in tokens[at + 1 : at + 3])
        self.following = tokens[at + 1] if at + 1 < len(tokens) else tokens[-1]
        self.expected = machine.expected()
        innermost = words.keyword(machine)
        self.above = [] if innermost is None else machine.symbols[innermost:]
        """The symbols from the word that began what is being read."""
        self.word = self.above[0] if self.above else ""

    def span(self, token: Token) -> Span:
        """The characters of a token."""
        return Span(self.source.file, token.start, token.end)

    def begins(self, token: Token) -> bool:
        """Whether nothing but space stands before `token` on its line, or a brace."""
        line = self.source.text.rfind("\n", 0, token.start) + 1
        before = self.source.text[line : token.start].strip()
        return not before or before[-1] in "{}"

    def survives(self, *instead: str) -> bool:
        """Whether reading `instead` of the token leads on for two more tokens."""
        return self.machine.survives((*instead, *self.ahead))

    def error(
        self,
        code: str,
        title: str,
        label: str = "",
        *,
        also: tuple[Label, ...] = (),
        notes: tuple[str, ...] = (),
        fix: Fix | None = None,
        span: Span | None = None,
    ) -> Diagnostic:
        """A diagnostic at the token, or at `span`."""
        labels = (Label(span or self.span(self.token), label, primary=True), *also)
        return Diagnostic(code, title, labels, notes, (fix,) if fix else ())


def explain(place: Place) -> Fault:
    """The message for the token at `place`: the most special one that applies."""
    for rule in (_strange, _power, _python, _single_equals, _keyword_as_name, _misspelled, _unclosed):
        fault = rule(place)
        if fault is not None:
            return fault
    return _unexpected(place)


def _strange(place: Place) -> Fault | None:
    """A character that no token begins with."""
    token = place.token
    if token.kind != UNKNOWN:
        return None
    text, sign = token.text, token.text[0]
    span = place.span(token)
    if sign in "'\"":
        closed = len(text) > 1 and text[-1] == sign
        title = "texts stand in double quotes" if closed else "this text has no closing quote"
        fix = None
        if closed and place.machine.accepts("STRING"):
            fix = Fix("use double quotes", (Edit(span, f'"{text[1:-1]}"'),), Safety.SAFE)
        instead = ("STRING",) if place.machine.accepts("STRING") else ()
        return Fault(place.error("E0103", title, fix=fix), instead)
    if text in _POWERS:
        return _power_fault(place, text, span)
    if text == "@":
        fix = None
        if place.before.kind == place.following.kind == "NAME":
            call = f"{place.before.text}({place.following.text})"
            whole = Span(span.file, place.before.start, place.following.end)
            fix = Fix(f"write `{call}`", (Edit(whole, call),), Safety.SAFE)
        title = "apply a linear map as W(x); `@` is not an operator"
        return Fault(place.error("E0103", title, fix=fix), _operator(place))
    if text in _LOOKALIKES:
        plain = _LOOKALIKES[text]
        fix = Fix(f"write `{plain}`", (Edit(span, plain),), Safety.SAFE)
        return Fault(place.error("E0103", f"`{text}` is written `{plain}`", fix=fix), (_LOOKALIKE_KINDS[plain],))
    if text == "." and (place.before.kind == "INT" or place.following.kind == "INT"):
        fix = _digit(place)
        title = "a number has digits on both sides of its point"
        return Fault(place.error("E0106", title, "a digit is missing", notes=(DIGITS_HELP,), fix=fix), ())
    shown = f"`{text}`" if len(text) < 20 and text.isprintable() else f"U+{ord(sign):04X}"
    times = f", {len(text)} times" if len(text) > 1 and shown[0] != "`" else ""
    fix = Fix("remove it", (Edit(span, ""),), Safety.SAFE) if sign == ";" else None
    notes = (_SIGNS[sign],) if sign in _SIGNS else (_SIGNS["$"],) if sign.isalpha() else ()
    return Fault(
        place.error("E0103", f"unknown character {shown}{times}", notes=notes, fix=fix), _operator(place, sign)
    )


def _digit(place: Place) -> Fix | None:
    """The digit 0 that `.1` or `1.` lacks."""
    token, before, after = place.token, place.before, place.following
    left = before.kind == "INT" and before.end == token.start
    right = after.kind == "INT" and after.start == token.end
    if left == right:
        return None
    at = token.end if left else token.start
    number = f"{before.text}.0" if left else f"0.{after.text}"
    return Fix(f"write `{number}`", (Edit(Span(place.source.file, at, at), "0"),), Safety.SAFE)


def _operator(place: Place, sign: str = "@") -> tuple[str, ...]:
    """Read an operator that does not exist as a product, anything else as nothing."""
    return ("STAR",) if sign in "@%^&|~" and place.machine.accepts("STAR") else ()


def _power(place: Place) -> Fault | None:
    """`u ** 2`"""
    if place.token.kind != "STAR" or place.before.kind != "STAR" or place.before.end != place.token.start:
        return None
    return _power_fault(place, "**", place.span(place.before).to(place.span(place.token)))


def _power_fault(place: Place, sign: str, span: Span) -> Fault:
    text = place.source.text[: span.start].rstrip()
    base = text[len(text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")) :]
    fix = None
    if not base.isidentifier():
        base = "u"
    elif place.following.text in ("2", "3"):
        product = " * ".join([base] * int(place.following.text))
        left = text.removesuffix(base).rstrip()
        if left.endswith(("/", "-", "*")):
            product = f"({product})"
        edit = Edit(Span(span.file, len(text) - len(base), place.following.end), product)
        fix = Fix(f"write `{product}`", (edit,), Safety.SAFE)
    title = f"`{sign}` is not an operator; write {base} * {base}"
    instead = () if sign == "**" and place.token.kind == "STAR" else _operator(place)
    return Fault(place.error("E0103", title, fix=fix, span=span), instead)


def _python(place: Place) -> Fault | None:
    """Words of other languages: loops, conditions, functions."""
    text = place.token.text
    # After a name, `in` and `if` continue something of the same kind; anywhere else they begin it.
    if text in _LOOPS and (place.token.kind != "NAME" or not place.survives("NAME")):
        title = "the language has no loops; declare `index i : K` and use sum[i] or chain[i]"
        note = "in a flow, `repeat K { ... }` makes copies of a block"
        return Fault(place.error("E0105", title, "loops are indices here", notes=(note,)), None)
    if text in _PYTHON and not (place.token.kind == "NAME" and place.survives("NAME")):
        return Fault(place.error("E0105", f"`{text}` is not a word of the language", notes=(_PYTHON[text],)), None)
    if place.token.kind == "COLON" and place.word == "REPEAT" and "LBRACE" in place.expected:
        start = place.machine.starts[words.keyword(place.machine) or 0]
        header = " ".join(place.source.text[start : place.before.end].split())
        note = f"steps are grouped by braces: {header} {{ ... }}"
        return Fault(place.error("E0105", f"expected `{{` after {header}, found `:`", notes=(note,)), None)
    return None


def _single_equals(place: Place) -> Fault | None:
    """`ensures diag = 1`"""
    if place.token.kind != "EQUAL" or not place.survives("CMP"):
        return None
    what = {"ENSURES": "a claim", "WITH": "a constraint", "TIE": "a tie"}.get(place.word, "a bound")
    fix = Fix("compare with `==`", (Edit(place.span(place.token), "=="),), Safety.SAFE)
    return Fault(place.error("E0101", f"{what} compares with ==, not =", fix=fix), ("CMP",))


def _keyword_as_name(place: Place) -> Fault | None:
    """`param order : scale`"""
    token = place.token
    if not token.text.isidentifier() or token.kind in ("NAME", UNKNOWN) or not place.survives("NAME"):
        return None
    naming = not {"COLON", "EQUAL", "ARROW", "LBRACE"} & set(place.above)
    use = f"name {words.NAMED[place.word]}" if naming and place.word in words.NAMED else "be used as a name"
    later = " of a later edition" if token.kind in words.LATER else ""
    title = f"`{token.text}` is a reserved word{later} and cannot {use}"
    return Fault(place.error("E0104", title, "choose another name"), ("NAME",))


def _misspelled(place: Place) -> Fault | None:
    """`parm W : linear`"""
    token = place.token
    if token.kind in words.LATER:
        title = f"`{token.text}` is reserved for a later edition"
        return Fault(place.error("E0104", title, "not a word of edition 1"), None)
    if token.kind in ("NAME", "INT", "STRING") and place.before.kind == "NAME" and place.begins(place.before):
        # `parm W : linear` after a member that a name may continue: the mistake is one token back.
        keywords = words.ITEMS | words.MEMBERS | words.LETS | words.STEPS
        close = suggest(place.before.text, [kind.lower() for kind in keywords & place.expected])
        if close:
            span = place.span(place.before)
            title = f"unknown word `{place.before.text}`"
            (fix,) = meant(span, close)
            return Fault(place.error("E0101", title, notes=others(close), fix=fix, span=span), None)
    if token.kind != "NAME":
        return None
    wanted = [kind for kind in place.expected if kind.lower() in place.machine.table.words]
    close = tuple(w for w in suggest(token.text, [kind.lower() for kind in wanted]) if place.survives(w.upper()))
    if close:
        title = f"unknown word `{token.text}`"
        (fix,) = meant(place.span(token), close)
        fault = place.error("E0101", title, _reading(place), notes=others(close), fix=fix)
        return Fault(fault, (close[0].upper(),))
    return None


def _unclosed(place: Place) -> Fault | None:
    """A bracket that is never closed, or closed by another one, or a closing one too many."""
    token, machine = place.token, place.machine
    where = words.opener(machine)
    if where is None:
        if token.kind not in words.CLOSERS:
            return None
        return Fault(_too_many(place), ())
    kind = machine.symbols[where]
    closer = words.OPENERS[kind]
    mark, end = words.PUNCTUATION[kind], words.PUNCTUATION[closer]
    if kind == "LBRACE":
        cut = token.kind == END or token.kind in words.ONLY_ITEMS or token.kind in ("RPAR", "RSQB")
        if token.kind in ("RPAR", "RSQB"):
            return Fault(_too_many(place), ())
    else:
        word = token.kind.lower() in machine.table.words and token.kind not in ("PRIOR", "LOGIT", "SUM", "CHAIN")
        cut = token.kind == END or (word and closer in place.expected) or token.kind in set(words.CLOSERS) - {closer}
        cut = cut or token.kind in words.ONLY_ITEMS | {"LET", "PARAM", "RETURN", "MAP", "TIE", "INDEX", "LBRACE"}
        cut = cut or (place.survives(closer, token.kind) and not place.survives("COMMA", token.kind))
    if not cut:
        return None
    opened = Span(place.source.file, machine.starts[where], machine.ends[where])
    also = (Label(opened, f"this `{mark}` is never closed"),)
    label = f"expected `{end}` before {words.found(token)}"
    instead = _inserted(place)
    fix = _mark(place, instead, sure=_one_place(place, where))
    title = f"unclosed `{mark}`: {label}"
    return Fault(place.error("E0102", title, f"`{end}` is missing before this", also=also, fix=fix), instead)


def _too_many(place: Place) -> Diagnostic:
    fix = Fix("remove it", (Edit(place.span(place.token), ""),), Safety.UNSAFE)
    return place.error("E0102", f"`{place.token.text}` closes nothing", "no bracket is open here", fix=fix)


def _one_place(place: Place, where: int) -> bool:
    """Whether the bracket at `where` can be closed in one place only: nothing after it ends a shorter argument."""
    inside = place.source.text[place.machine.ends[where] : place.before.end]
    return place.machine.symbols[where] != "LBRACE" and not re.search(r"[-+*/,{}]", inside)


def _inserted(place: Place) -> tuple[str, ...] | None:
    """Marks that, put before the token, make the next ones readable."""
    for marks in _INSERTED:
        if place.survives(*marks, place.token.kind):
            return (*marks, place.token.kind)
    return None


def _mark(place: Place, instead: tuple[str, ...] | None, *, sure: bool) -> Fix | None:
    """The fix that puts the marks of `instead` before the token, if reading goes on well after them."""
    if not instead or instead[-1] != place.token.kind or not place.survives(*instead):
        return None
    marks = "".join(words.PUNCTUATION[kind] for kind in instead[:-1])
    if instead[0] in ("COLON", "EQUAL", "ARROW"):
        edit = Edit(place.span(place.token).begin(), f"{marks} ")
    else:
        at = place.before.end
        between = "\n" if instead[0] == "RBRACE" else ""
        edit = Edit(Span(place.source.file, at, at), between + between.join(marks))
    safe = sure and instead[0] != "COMMA"  # two names side by side may lack an operator as well
    return Fix(f"write `{marks}` here", (edit,), Safety.SAFE if safe else Safety.UNSAFE)


def _unexpected(place: Place) -> Fault:
    """The general case: what stands here, what could, and what was being read."""
    token = place.token
    wanted, note = _wanted(place)
    instead = _inserted(place)
    if instead is None and token.kind in ("COMMA", "COLON", "EQUAL", "STRING", "DOC") and place.survives():
        instead = ()
    title = f"expected {wanted}, found {words.found(token)}"
    if not wanted:
        title = f"unexpected {words.found(token)}"
    fix = _mark(place, instead, sure=True)
    if token.kind == "MINT":
        title, note = "the edition stands first in a file, and once", ""
    elif wanted.startswith("`return`") and place.survives("RETURN", token.kind):
        fix = Fix("write `return` here", (Edit(place.span(token).begin(), "return "),), Safety.SAFE)
    return Fault(place.error("E0101", title, _reading(place), notes=(note,) if note else (), fix=fix), instead)


def _reading(place: Place) -> str:
    return f"while reading {words.READING[place.word]}" if place.word else ""


def _wanted(place: Place) -> tuple[str, str]:
    """What was expected, in the words of the construct being read, and a note."""
    word, above, expected, last = place.word, place.above, place.expected, place.before.kind
    if last in _AFTER and word in (last, "WITH") and len(above) == above.index(last) + 1:
        return _AFTER[last], ""
    if word in ("PARAM", "INDEX") and "COLON" in expected:
        return f"`:` after the {words.NAMED[word].split()[-1]}'s name", ""
    if "COLON" in expected and word in ("LAYER", "NET", "FLOW", "GIVEN") and "LBRACE" not in above:
        return "`:` and a type" if word != "GIVEN" else "`:` and a shape", ""
    if word in ("LAYER", "FLOW") and "ON" in expected:
        return f"`on SHAPE` after the {word.lower()}'s name", f"write `{word.lower()} NAME on Image[C, H, W] {{ ... }}`"
    if word == "NET" and "FROM" in expected and "LBRACE" not in above:
        return "`from SHAPES to SHAPES` after the net's name", ""
    if "MAP" in expected and "RBRACE" not in expected and place.token.kind == "RBRACE":
        what = "layer" if "LAYER" in place.machine.symbols else "net"
        return f"the map: a {what} ends with its map", "`map x -> ...`, or `map x { let ... return ... }`"
    if "MAP" in place.machine.symbols and "RETURN" in expected and place.token.kind not in words.LETS:
        return "`return` before the result of a map in braces", "write `return` and the result, or `map x -> ...`"
    if word == "MAP" and place.token.kind in words.MEMBERS and "RBRACE" in expected:
        return "`}`: the map is the last member", "move this before the map"
    if word == "PARAM" and last == "COLON":
        return "the kind of the parameter, such as scale, bias, conv 3x3 or linear", ""
    return words.expectations(expected), ""
