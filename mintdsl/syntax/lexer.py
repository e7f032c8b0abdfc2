"""Text to tokens: one regular expression of all terminals, tried at each place in the order of the tables."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from mintdsl import limits
from mintdsl.source import Span
from mintdsl.syntax import tables
from mintdsl.syntax.ast import Comment

UNKNOWN = "?"
"""The kind of a token that no terminal matches: kept, so that the parser can say what was meant."""

_BOM = "\ufeff"


class Token(NamedTuple):
    """A terminal, its text, and the characters `start` to `end` of the file."""

    kind: str
    text: str
    start: int
    end: int


@cache
def _scanner() -> re.Pattern[str]:
    patterns = [f"(?P<{name}>{pattern})" for name, pattern in tables.load().terminals]
    # Last, so that it takes only what nothing else does: a quoted text, or a run of one strange character.
    patterns.append(r"""(?P<UNKNOWN>'[^'\n]*'|"[^\n]*|(?P<strange>[^\n])(?P=strange)*|\n)""")
    return re.compile("|".join(patterns))


def scan(file: str, text: str) -> tuple[list[Token], list[Comment]]:
    """The tokens of `text`, those of kind `UNKNOWN` among them, and its comments on the side.

    Of a text with more than a program may have, only as many as are needed to say so.
    """
    table = tables.load()
    words, ignored = table.words, table.ignored
    tokens: list[Token] = []
    comments: list[Comment] = []
    room = limits.TOKENS.most
    for match in _scanner().finditer(text, 1 if text.startswith(_BOM) else 0):
        kind = match.lastgroup or UNKNOWN
        if kind == "NAME":
            kind = words.get(match.group(), kind)
        elif kind in ignored:
            if kind == "COMMENT":
                comments.append(Comment(match.group().rstrip(), Span(file, match.start(), match.end())))
                if len(tokens) + len(comments) > room:
                    break
            continue
        elif kind == "UNKNOWN":
            kind = UNKNOWN
        tokens.append(Token(kind, match.group(), match.start(), match.end()))
        if len(tokens) + len(comments) > room:
            break
    return tokens, comments
