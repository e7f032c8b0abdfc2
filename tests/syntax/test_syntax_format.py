"""The formatter changes layout only: same tree, same comments, and formatting twice is formatting once."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from syntax_programs import MODULES

from mintdsl.source import Source
from mintdsl.syntax import ast
from mintdsl.syntax.format import format_module
from mintdsl.syntax.layout import WIDTH
from mintdsl.syntax.lexer import scan
from mintdsl.syntax.parse import parse

ROOT = Path(__file__).parents[2]
SPECS = sorted(ROOT.glob("specs/**/*.mint"))
PROGRAMS = [*SPECS, *sorted((ROOT / "tests/programs/refused").glob("*.mint"))]


def read(text: str) -> ast.Module:
    module, diagnostics = parse(Source("", text))
    assert diagnostics == (), text
    return module


def reformatted(text: str) -> str:
    """`text` formatted, after checking all that must not change."""
    module = read(text)
    after = format_module(module, Source("", text))
    again = read(after)
    assert again == module
    assert Counter(c.text for c in again.comments) == Counter(c.text for c in module.comments)
    assert format_module(again, Source("", after)) == after
    return after


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert reformatted(text) == text
    assert all(len(line) <= WIDTH or "#" in line or "from" in line for line in text.split("\n"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_keep_their_meaning(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert reformatted(text.replace("\n", "\r\n")) == reformatted(text)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_comments_at_every_place(path: Path) -> None:
    """Comments, line breaks and nothing at all between any two tokens."""
    text = path.read_text(encoding="utf-8")
    tokens, _ = scan("", text)
    choose = random.Random(len(text))
    parts = []
    for number, token in enumerate(tokens):
        ends_line = token.kind == "DOC"
        parts.append(token.text + ("\n" if ends_line else ""))
        if choose.random() < 0.15:
            space = choose.choice(["", "\n", "\n\n", " "]) if not ends_line else ""
            parts.append(f"{space}# c{number}\n" + choose.choice(["", "\n"]))
        else:
            parts.append(choose.choice([" ", " ", " ", "\n", "\n\n"]))
    reformatted("".join(parts))


def test_trailing_comments_stay_at_their_line() -> None:
    text = """mint 1

flow F on Vec[2] {     # the header
  A # first
  reverse(axis = all)  # second

  # alone
  repeat 2 {   # the block
    A(K = 1,   # an option
      h = elu) # the other
  }            # its end
}
"""
    expected = """mint 1

flow F on Vec[2] {  # the header
  A                    # first
  reverse(axis = all)  # second

  # alone
  repeat 2 {  # the block
    A(
      K = 1,    # an option
      h = elu,
    )  # the other
  }  # its end
}
"""
    assert reformatted(text) == expected


def test_long_lines_are_broken() -> None:
    long = " + ".join(f"W{n}(x, alpha = beta)" for n in range(8))
    after = reformatted(f"mint 1\nlayer A(K: Nat) on S ensures invertible {{ map x -> f({long}, {long}) * 2 }}")
    assert max(map(len, after.split("\n"))) <= WIDTH
    assert after.count("\n") == 23


def test_brackets_are_the_fewest() -> None:
    formula = "((a * b) + (c)) - (d - (e + f)) * -(g) / (h * k) + (-(m * n))(o)"
    after = reformatted(f"mint 1\nconst K = {formula}\n")
    assert after == "mint 1\n\nconst K = a * b + c - (d - (e + f)) * -g / (h * k) + (-(m * n))(o)\n"


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(MODULES)
def test_random_programs(module: ast.Module) -> None:
    text = format_module(module, Source("", ""))
    assert read(text) == module
    assert reformatted(text) == text
