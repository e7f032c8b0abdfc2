"""The compiled grammar is up to date, and our lexer and parser agree with lark's on it."""

from __future__ import annotations

from pathlib import Path

import lark
import pytest

from mintdsl.syntax import tables
from mintdsl.syntax.lexer import Token, scan
from mintdsl.syntax.lr import Machine
from mintdsl.tools import grammar

ROOT = Path(__file__).parents[2]
GOOD = sorted([*ROOT.glob("specs/**/*.mint"), *ROOT.glob("tests/programs/refused/*.mint")])
ALL = [*GOOD, *sorted(ROOT.glob("tests/programs/syntax/*.mint"))]


@pytest.fixture(scope="module")
def reference() -> lark.Lark:
    return grammar.reference_parser()


def test_tables_are_up_to_date() -> None:
    assert grammar.TABLES.read_text(encoding="utf-8") == grammar.build(), "run python -m mintdsl.tools.grammar"


def test_tokens_as_lark_sees_them(reference: lark.Lark) -> None:
    texts = [path.read_text(encoding="utf-8") for path in ALL if "@" not in path.read_text(encoding="utf-8")]
    texts += ["## doc\n# comment\n#\n##\n### x", "3x3 3x 1e5 1e 1.5e-3 85xy x3x3 _ order orders --><=<", "mint\t1\r\n"]
    for text in texts:
        theirs = [Token(str(t.type), str(t), t.start_pos or 0, t.end_pos or 0) for t in reference.lex(text)]
        ours, _ = scan("", text)
        assert ours == theirs


def test_trees_as_lark_builds_them(reference: lark.Lark) -> None:
    assert len(GOOD) > 50
    for path in GOOD:
        text = path.read_text(encoding="utf-8")
        assert _ours(text) == _theirs(reference.parse(text)), path


def _ours(text: str) -> object:
    machine = Machine(tables.load(), lambda rule, children, start, end: (rule.name, children))
    tokens, _ = scan("", text)
    for token in [*tokens, Token(tables.END, "", len(text), len(text))]:
        assert machine.feed(token.kind, token.text, token.start, token.end), token
    return machine.values[-1]


def _theirs(tree: object) -> object:
    if isinstance(tree, lark.Tree):
        return str(tree.data), [_theirs(child) for child in tree.children]
    return None if tree is None else str(tree)
