"""Text of a program in its module: documentation, formulas and numbers stay what they are."""

from __future__ import annotations

import ast
import math
from contextlib import suppress
from pathlib import Path

import pytest
from hostile_large import SCALE, flow

import mintdsl
from mintdsl.codegen.emit import safe
from mintdsl.codegen.helpers import IMPORTS, helpers, mentioned
from mintdsl.diagnostics.render import concise, render

ROOT = Path(__file__).parents[2]

WORDS = [
    '"""',
    '"' * 8,
    "'''",
    '\\"""',
    "ends with a backslash \\",
    'ends with a quote "',
    "\\N{BULLET} \\N{no such name} \\x41 \\u0041 \\U00000041 \\777 \\\\",
    "{self} {0} {} %s %(x)s $x ${x}",
    "null \x00 bell \x07 escape \x1b[2J",
    "\x0b \x0c \x1c \x1d \x1e \x85 \u2028 \u2029 separate lines",
    "\u202a \u202b \u202c \u202d \u202e \u2066 \u2067 \u2068 \u2069 turn the text",
    "\u200b \u200d \ufeff \u00ad \u2060 are not seen",
    "lone surrogates \ud800 \udfff",
    "e\u0301\u0302\u0303 \U0001f600 \U000e0041 caf\u00e9 \u6f22\u5b57",
    "# type: ignore  # noqa  -*- coding: utf-7 -*-",
    '""" + __import__("os").system("touch owned") + """',
    '"""\nimport os\n"""',
    "word " * 100,
    "x" * 1000,
    "",
]


def docstrings(text: str) -> list[str]:
    tree = ast.parse(text)
    return [ast.get_docstring(node, clean=False) or "" for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def without_docstrings(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    digest = text.partition("spec_hash ")[2].partition("\n")[0]
    return ast.dump(tree).replace(digest, "")


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_documentation(words: str) -> None:
    lines = words.split("\n")
    doc = "".join(f"## {line}\n" for line in lines)
    text = flow("A  prior normal", doc + SCALE + doc)
    program = mintdsl.loads(text)
    report = program.check()
    assert report.ok
    module = program.generate()
    module.encode("utf-8")
    assert all(char.isprintable() or char == "\n" for char in module)
    found = docstrings(module)
    expected = "".join(filter(str.isalnum, safe("\n".join(lines))))
    for docstring in found[:2]:  # the layer and the flow
        assert "".join(filter(str.isalnum, docstring)).startswith(expected)
    plain = mintdsl.loads(text.replace(doc, "## plain\n" * len(lines))).generate()
    assert without_docstrings(module) == without_docstrings(plain)


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_formulas_with_comments(words: str) -> None:
    """Formulas are quoted in docstrings and comments, with the comments in them."""
    inside = words.replace("\n", " ")
    text = (
        "mint 1\nlayer L on Vec[D] {\n  param s : scale with diag > 0\n  map x -> s * x  # COMMENT\n    + tanh(x)\n}\n"
    )
    module = mintdsl.loads(text.replace("COMMENT", inside)).generate()
    plain = mintdsl.loads(text).generate()
    assert without_docstrings(module) == without_docstrings(plain)


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_messages(words: str) -> None:
    """Messages quote the source: nothing in it reaches a terminal unchanged."""
    text = f"mint 1\n# {words}\nlayer L on Vec[D] {{ map x -> y # {words}\n}}\n{words}\n"
    report = mintdsl.loads(text, f"{words[:40]}.mint").check()
    for shown in (
        render(report.diagnostics, report.sources, color=False, width=80),
        concise(report.diagnostics, report.sources),
    ):
        assert all(char.isprintable() or char == "\n" or "\u0300" <= char <= "\u036f" for char in shown)
        shown.encode("utf-8")


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    "number",
    ["1e400", "1e-400", "1e31", "1e-31", "9" * 400, "nan", "inf", "1e30 * 1e30", "1e30 - 1e31",
     "1e300 / 1e-300", "0 / 0", "1e-20 * 1e-20", "1_000", "0x10", "1e", "1.e5", ".5", "1.5.2", "1j", "True", "1e+400"],
)  # fmt: skip
def test_numbers_that_are_none(number: str) -> None:
    text = f"mint 1\nlayer L on Vec[D] {{\n  param s : scale with diag >= {number}\n  map x -> s * x\n}}\n"
    assert not mintdsl.loads(text).check().ok


@pytest.mark.parametrize(
    ("number", "value"),
    [("1e30", 1e30), ("1e-30", 1e-30), ("007", 7.0), ("1" + "0" * 15, 1e15), ("0." + "0" * 20 + "1", 1e-21),
     ("0.1", 0.1), ("1e+3", 1e3), ("3 / 7", 3 / 7), ("1.00000000000000000000001", 1.0), ("12345.125", 12345.125),
     ("1." + "9" * 400, 2.0)],
)  # fmt: skip
def test_numbers_keep_their_value(number: str, value: float) -> None:
    text = f"mint 1\nlayer L on Vec[D] {{\n  param s : scale with diag >= {number}\n  map x -> s * x\n}}\n"
    module = mintdsl.loads(text).generate()
    found = [node.value for node in ast.walk(ast.parse(module)) if isinstance(node, ast.Constant)]
    assert any(isinstance(one, float) and math.isclose(one, value, rel_tol=0) for one in found)


# ---------------------------------------------------------------- what a module imports


def test_names_are_found_without_a_parser() -> None:
    """The generator looks for names by a regular expression; the parser finds the same."""
    known = {*helpers(), *(name for name, _ in IMPORTS)}
    texts = [mintdsl.load(ROOT / "specs" / "mintnet" / "mnist_classifier.mint").generate()]
    for path in sorted((ROOT / "tests" / "proof" / "accepted").glob("*.mint"))[::3]:
        with suppress(mintdsl.SpecError):  # nothing is claimed, so there is no module
            texts.append(mintdsl.load(path).generate())
    texts += [mintdsl.loads(flow("A", f"## {words}\n{SCALE}")).generate() for words in WORDS[:6]]
    assert len(texts) > 15
    for text in texts:
        parsed = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        assert parsed & known - IMPORTED == mentioned(text) & known - IMPORTED


IMPORTED = {name for name, _ in IMPORTS}  # they stand in the import lines of a whole module
