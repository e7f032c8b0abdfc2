"""What the tokens of the grammar are called when we speak to people, and which of them begin what."""

from __future__ import annotations

from collections.abc import Sequence

from mintdsl.syntax.lexer import Token
from mintdsl.syntax.lr import Machine
from mintdsl.syntax.tables import END

# The words of later editions: reserved, and in no sentence of this one.
LATER = frozenset(
    ["TYPE", "WHERE", "AS", "IF", "ELSE", "FOR", "IN", "WHILE", "MATCH", "SHARE", "FREEZE", "TRUE", "FALSE"]
)

OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}

PUNCTUATION = {
    "COLON": ":",
    "EQUAL": "=",
    "ARROW": "->",
    "COMMA": ",",
    "RPAR": ")",
    "RSQB": "]",
    "LBRACE": "{",
    "RBRACE": "}",
    "LPAR": "(",
    "LSQB": "[",
    "PLUS": "+",
    "MINUS": "-",
    "STAR": "*",
    "SLASH": "/",
}

# Tokens that begin an element of a list, by the list: where reading can start again after an error.
ONLY_ITEMS = frozenset(["LAYER", "FLOW", "CONST", "MASK", "IMPORT", "EXTERN"])
ITEMS = ONLY_ITEMS | frozenset(["NET", "SPACE", "ORDER", "ACT", "DOC"])
MEMBERS = frozenset(["PARAM", "INDEX", "TIE", "LET", "MAP", "SPACE", "ORDER", "ACT", "DOC"])
LETS = frozenset(["LET", "RETURN"])
STEPS = frozenset(
    [
        "DEQUANTIZE",
        "LOGIT",
        "STANDARDIZE",
        "SQUEEZE",
        "UNSQUEEZE",
        "PERMUTE",
        "REVERSE",
        "FLATTEN",
        "PATCHES",
        "PAD",
        "REPEAT",
        "PAIR",
        "FACTOR",
        "ODE",
        "PRIOR",
        "CLASSIFY",
    ]
)

# What is being read, by the innermost word that began it.
READING = {
    "MINT": "the edition",
    "IMPORT": "an import",
    "CONST": "a constant",
    "SPACE": "a space",
    "ORDER": "an order",
    "MASK": "a mask",
    "ACT": "an activation",
    "LAYER": "a layer",
    "FLOW": "a flow",
    "NET": "a net",
    "EXTERN": "an external net",
    "GIVEN": "the context after `given`",
    "ENSURES": "the claims after `ensures`",
    "INDEX": "an index",
    "PARAM": "a parameter",
    "WITH": "the constraints of a parameter",
    "INIT": "the init of a parameter",
    "TIE": "a tie",
    "LET": "a `let`",
    "MAP": "a map",
    "RETURN": "the result of a map",
    "LOG_DET": "the `log_det` of a step",
} | {word: f"a `{word.lower()}` step" for word in STEPS}

# What a word names, for those that are followed by a new name.
NAMED = {
    "CONST": "a constant",
    "SPACE": "a space",
    "ORDER": "an order",
    "MASK": "a mask",
    "ACT": "an activation",
    "LAYER": "a layer",
    "FLOW": "a flow",
    "NET": "a net",
    "INDEX": "an index",
    "PARAM": "a parameter",
    "LET": "a value",
    "MAP": "a variable",
}

_GROUPS = (
    (
        frozenset({"INT", "FLOAT", "SUM"}),
        frozenset(["NAME", "INT", "FLOAT", "LOGIT", "SUM", "CHAIN", "LPAR", "MINUS"]),
        "an expression",
    ),
    (frozenset({"STAR", "SLASH"}), frozenset(["PLUS", "MINUS", "STAR", "SLASH"]), "an operator"),
    (frozenset({"PARAM", "TIE", "MAP"}), MEMBERS, "a member or the `map`"),
    (frozenset({"SQUEEZE", "PAIR"}), STEPS | {"NAME"}, "a step"),
    (frozenset({"LAYER", "FLOW"}), ITEMS | LATER, "a definition"),
)
_PLAIN = {
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "STRING": "a path in quotes",
    "SIZE": "a size like 3x3",
    "CMP": "a comparison",
    END: "the end of the file",
}


def expectations(expected: frozenset[str]) -> str:
    """Up to four things that could stand here, in words: "`,` or `)`"."""
    rest = set(expected) - {"DOC"}
    groups: list[str] = []
    for signs, members, group in _GROUPS:
        if signs <= rest:
            rest -= members
            groups.append(group)
    if groups:
        # After a complete expression these only continue it.
        rest -= {"LPAR", "LSQB"}
    marks = [f"`{mark}`" for kind, mark in PUNCTUATION.items() if kind in rest]
    plain = list(dict.fromkeys(name for kind, name in _PLAIN.items() if kind in rest))
    words = [f"`{kind.lower()}`" for kind in sorted(rest - set(PUNCTUATION) - set(_PLAIN))]
    return either((plain + marks + words + groups)[:4])


def either(words: Sequence[str]) -> str:
    """`a, b or c`"""
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def found(token: Token) -> str:
    """How to name the token that was not expected."""
    if token.kind == END:
        return "the end of the file"
    if token.kind == "DOC":
        return "a doc comment"
    return f"`{token.text}`" if len(token.text) <= 40 else f"`{token.text[:40]}...`"


def defined(tokens: Sequence[Token]) -> list[str]:
    """The names that the definition or member at the start of `tokens` was about to introduce."""
    at = 0
    while at < len(tokens) and tokens[at].kind in ("DOC", "EXTERN"):
        at += 1
    if at == len(tokens) or tokens[at].kind not in {*NAMED, "IMPORT"} - {"MAP"}:
        return []
    names: list[str] = []
    if tokens[at].kind == "IMPORT":
        for token in tokens[at + 1 :]:
            if token.kind == "RBRACE":
                break
            if token.kind == "NAME":
                names.append(token.text)
        return names
    inside = separated = False
    for token in tokens[at + 1 :]:
        if token.kind in ("LSQB", "RSQB"):
            inside = token.kind == "LSQB"
        elif inside or (token.kind == "LPAR" and not names):
            continue
        elif token.kind == "NAME" and (not names or separated):
            names.append(token.text)
        elif token.kind != "COMMA":
            break
        separated = token.kind == "COMMA"
    return names


def all_defined(tokens: Sequence[Token]) -> frozenset[str]:
    """The names of all definitions of a file that is not read any further."""
    starts = [n for n, token in enumerate(tokens) if token.kind in ITEMS and token.kind not in ("DOC", "EXTERN")]
    return frozenset(name for n in starts for name in defined(tokens[n : n + 200]))


def opener(machine: Machine) -> int | None:
    """The place in the machine's stacks of the innermost bracket that is open."""
    closed = 0
    for place in range(len(machine.symbols) - 1, -1, -1):
        symbol = machine.symbols[place]
        if symbol in CLOSERS:
            closed += 1
        elif symbol in OPENERS:
            if not closed:
                return place
            closed -= 1
    return None


def keyword(machine: Machine) -> int | None:
    """The place in the machine's stacks of the innermost word that began what is being read."""
    for place in range(len(machine.symbols) - 1, -1, -1):
        if machine.symbols[place] in READING:
            return place
    return None
