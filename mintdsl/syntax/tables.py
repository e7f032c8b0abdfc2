"""The compiled grammar: terminals, rules and LALR tables, read from `grammars/mint.tables.json`."""

from __future__ import annotations

import json
from functools import cache
from typing import NamedTuple

from mintdsl.resources import resource

END = "$END"


class Rule(NamedTuple):
    """A production `origin: ...` of `size` symbols and the shape of its node (see `mintdsl.tools.grammar`)."""

    origin: str
    name: str
    size: int
    keep: tuple[int | None, ...]
    splice: frozenset[int]
    single: bool


class Tables(NamedTuple):
    """All that the lexer and the parser know of the language."""

    terminals: list[tuple[str, str]]
    """Patterns in the order in which they are tried."""
    ignored: frozenset[str]
    words: dict[str, str]
    """Reserved words, and the terminal of each."""
    rules: list[Rule]
    states: list[dict[str, int]]
    """For each state and symbol: the next state, or -1 - n to reduce by rule n."""
    end: int
    """The state in which a whole file has been read."""


@cache
def load() -> Tables:
    """The tables, from the installed package or from the repository."""
    data = json.loads((resource("grammars") / "mint.tables.json").read_text(encoding="utf-8"))
    rules = [
        Rule(origin, name, size, tuple(keep), frozenset(splice), single)
        for origin, name, size, keep, splice, single in data["rules"]
    ]
    terminals = [(name, pattern) for name, pattern in data["terminals"]]
    return Tables(terminals, frozenset(data["ignored"]), data["words"], rules, data["states"], data["end"])
