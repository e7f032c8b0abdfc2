"""Compile `grammars/mint.lark` into `grammars/mint.tables.json`.

Lark checks the grammar (strict LALR) and computes the tables while the project is developed; what runs is
`mintdsl.syntax.lr`, which only reads them. Importing lark would cost more time than checking a program.

Run it as `python -m mintdsl.tools.grammar` after each change of the grammar.
"""

from __future__ import annotations

import json
from pathlib import Path

from lark import Lark
from lark.grammar import NonTerminal, Rule, Symbol, Terminal
from lark.lexer import BasicLexer, TerminalDef
from lark.parsers.lalr_analysis import Action, Shift

GRAMMAR = Path(__file__).resolve().parents[2] / "grammars" / "mint.lark"
TABLES = GRAMMAR.with_name("mint.tables.json")


def reference_parser() -> Lark:
    """Lark's own parser of the language: the source of the tables, and what the tests compare with."""
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer="basic",
        strict=True,
        propagate_positions=True,
        maybe_placeholders=True,
    )


def _terminals(lexer: BasicLexer) -> tuple[list[list[str]], dict[str, str]]:
    """The patterns in the order in which they are tried, and the words that a name cannot be."""
    name = next(terminal for terminal in lexer.terminals if terminal.name == "NAME")
    patterns: list[list[str]] = []
    words: dict[str, str] = {}

    def is_word(terminal: TerminalDef) -> bool:
        return terminal.pattern.type == "str" and terminal.pattern.value.replace("_", "a").isalnum()

    for terminal in lexer.terminals:
        if is_word(terminal):
            if terminal.priority != name.priority:
                raise ValueError(f"the word {terminal.name} has a priority of its own")
            words[terminal.pattern.value] = terminal.name
        else:
            patterns.append([terminal.name, terminal.pattern.to_regexp()])
    return patterns, dict(sorted(words.items()))


def _shape(rule: Rule) -> list[object]:
    """`[origin, name, size, keep, splice, single]`: how the values of the symbols become children.

    `keep` lists positions, or null for an optional part that is absent; those also in `splice` are helper
    rules whose children are inlined; `single` means that a rule with one child is that child.
    """
    symbols = list(rule.expansion)
    flags = rule.options.empty_indices
    gaps = [len(run) for run in "".join("1" if flag else "0" for flag in flags).split("0")]
    if not flags:
        gaps = [0] * (len(symbols) + 1)
    keep: list[int | None] = []
    splice: list[int] = []
    for position, symbol in enumerate(symbols):
        keep.extend([None] * gaps[position])
        if isinstance(symbol, Terminal) and symbol.filter_out and not rule.options.keep_all_tokens:
            continue
        keep.append(position)
        if isinstance(symbol, NonTerminal) and symbol.name.startswith("_"):
            splice.append(position)
    keep.extend([None] * gaps[len(symbols)])
    single = bool(rule.options.expand1) and not rule.alias
    return [rule.origin.name, rule.alias or rule.origin.name, len(symbols), keep, splice, single]


def _key(rule: Rule) -> tuple[str, list[str], str]:
    return rule.origin.name, [_symbol(symbol) for symbol in rule.expansion], rule.alias or ""


def _symbol(symbol: Symbol) -> str:
    return str(symbol.name)


def build() -> str:
    """The text of the tables file; equal grammars give equal text."""
    lark = reference_parser()
    lexer = lark.parser.lexer
    if not isinstance(lexer, BasicLexer):
        raise TypeError("the grammar must be read with the basic lexer")
    terminals, words = _terminals(lexer)
    table = lark.parser.parser._parse_table

    rules = sorted(
        {rule for row in table.states.values() for _, rule in row.values() if isinstance(rule, Rule)}, key=_key
    )
    rule_number = {rule: number for number, rule in enumerate(rules)}

    # Lark numbers the states as it finds them in sets; count them along sorted symbols instead.
    start = table.start_states["start"]
    number = {start: 0}
    queue = [start]
    for state in queue:
        for _, (action, target) in sorted(table.states[state].items()):
            if action is Shift and target not in number:
                number[target] = len(number)
                queue.append(target)

    def code(action: Action, target: object) -> int:
        return number[target] if action is Shift else -1 - rule_number[target]  # type: ignore[index]

    rows = [{symbol: code(*entry) for symbol, entry in sorted(table.states[state].items())} for state in queue]

    def block(lines: list[str]) -> str:
        return "[\n" + ",\n".join(lines) + "\n]"

    parts = {
        "terminals": block([json.dumps(terminal) for terminal in terminals]),
        "ignored": json.dumps(sorted(lexer.ignore_types)),
        "words": json.dumps(words),
        "rules": block([json.dumps(_shape(rule)) for rule in rules]),
        "end": json.dumps(number[table.end_states["start"]]),
        "states": block([json.dumps(row, separators=(",", ":")) for row in rows]),
    }
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in parts.items()) + "\n}\n"


def main() -> None:
    """Write the tables beside the grammar."""
    TABLES.write_text(build(), encoding="utf-8")


if __name__ == "__main__":
    main()
