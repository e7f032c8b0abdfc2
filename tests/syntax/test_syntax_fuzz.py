"""No text makes the parser or the renderer fail, and mutations of sound programs give bounded messages."""

from __future__ import annotations

import random
from pathlib import Path

from mintdsl.diagnostics.render import concise, render
from mintdsl.source import Source
from mintdsl.syntax.format import format_module
from mintdsl.syntax.lexer import scan
from mintdsl.syntax.parse import parse
from mintdsl.syntax.suggest import suggest

ROOT = Path(__file__).parents[2]
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("specs/**/*.mint"))]
SNIPPETS = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "=",
    ":",
    ",",
    "->",
    "layer",
    "param",
    "map",
    "let",
    "return",
    "for",
    "type",
    "3x3",
    "1e9",
    "0.5",
    '"',
    "'",
    "@",
    "**",
    "é",
    "##",
    "#",
    "sum",
    "x",
]
SNIPPETS += ["\x00", "\ud800", "\n", "mint 1"]


def survive(text: str) -> int:
    source = Source("fuzz.mint", text)
    module, diagnostics = parse(source)
    render(diagnostics, {source.file: source}, color=True, width=80)
    concise(diagnostics, {source.file: source})
    if not diagnostics:
        after = Source("fuzz.mint", format_module(module, source))
        again, errors = parse(after)
        assert errors == () and again == module
        assert format_module(again, after) == after.text
    return len(diagnostics)


def test_mutated_characters() -> None:
    choose = random.Random(1)
    for _ in range(200):
        text = choose.choice(TEXTS)
        at = choose.randrange(len(text))
        window = text[max(0, at - 300) : at + 300]
        for _ in range(choose.randint(1, 4)):
            at = choose.randrange(len(window))
            window = window[:at] + choose.choice(SNIPPETS) + window[at + choose.randint(0, 3) :]
        survive("mint 1\n" + window)


def test_mutated_tokens() -> None:
    choose = random.Random(2)
    counts = []
    for _ in range(200):
        text = choose.choice(TEXTS)
        tokens, _ = scan("", text)
        token = choose.choice(tokens)
        change = choose.randint(0, 3)
        if change == 0:
            text = text[: token.start] + text[token.end :]
        elif change == 1:
            text = text[: token.start] + choose.choice(SNIPPETS) + " " + text[token.start :]
        elif change == 2:
            text = text[: token.start] + token.text + " " + text[token.start :]
        else:
            other = choose.choice(tokens)
            text = text[: token.start] + other.text + text[token.end :]
        counts.append(survive(text))
    # One mistake is one message, nearly always.
    assert sum(count > 1 for count in counts) < 0.1 * len(counts)
    assert max(counts) <= 6


def test_cut_anywhere() -> None:
    choose = random.Random(3)
    for _ in range(100):
        text = choose.choice(TEXTS)
        assert survive(text[: choose.randrange(len(text))]) <= 3


def test_suggestions() -> None:
    names = ["shift", "scale", "Shift", "shapes", "t", "conv"]
    assert suggest("shfit", names) == ("Shift", "shift")
    assert suggest("cnov", names) == ("conv",)
    assert suggest("SCALE", names) == ("scale",)
    assert suggest("u", names) == ()
    assert suggest("shift", ["shift"]) == ()
    assert suggest("name", ["name1", "name2", "name3", "name4"]) == ("name1", "name2", "name3")
    assert suggest("", names) == ()
