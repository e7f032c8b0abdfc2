"""Programs to trees: every node with its exact place, every mistake with its message, no input an exception."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mintdsl import limits
from mintdsl.diagnostics.model import Diagnostic, Safety
from mintdsl.source import Source, Span
from mintdsl.syntax import ast
from mintdsl.syntax.parse import parse

ROOT = Path(__file__).parents[2]
SPECS = sorted(ROOT.glob("specs/**/*.mint"))
REFUSED = sorted((ROOT / "tests/programs/refused").glob("*.mint"))
SYNTAX = sorted((ROOT / "tests/programs/syntax").glob("*.mint"))


def check(text: str) -> tuple[ast.Module, tuple[Diagnostic, ...]]:
    return parse(Source("test.mint", text))


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in check(text)[1]]


@pytest.mark.parametrize("path", [*SPECS, *REFUSED], ids=lambda path: path.stem)
def test_programs_parse(path: Path) -> None:
    module, diagnostics = check(path.read_text(encoding="utf-8"))
    assert diagnostics == ()
    assert module.items
    assert module.edition == 1
    assert not module.poisoned


@pytest.mark.parametrize("path", SYNTAX, ids=lambda path: path.stem)
def test_mistakes_are_explained(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    expected = text.split("\n")[0].removeprefix("# expected: ")
    _, diagnostics = check(text)
    assert len(diagnostics) == 1, diagnostics
    assert expected in diagnostics[0].title


@pytest.mark.parametrize("path", SYNTAX, ids=lambda path: path.stem)
def test_safe_fixes_repair(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    _, diagnostics = check(text)
    for fix in diagnostics[0].fixes:
        assert fix.safety is Safety.SAFE
        assert check(apply(text, diagnostics))[1] == ()


def apply(text: str, diagnostics: tuple[Diagnostic, ...]) -> str:
    edits = [edit for diagnostic in diagnostics for fix in diagnostic.fixes for edit in fix.edits]
    for edit in sorted(edits, key=lambda edit: edit.span, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


# ---------------------------------------------------------------- places


def nodes(value: object) -> Iterator[object]:
    if isinstance(value, tuple) and not isinstance(value, Span):
        for item in value:
            yield from nodes(item)
    elif dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            yield from nodes(getattr(value, field.name))


@pytest.mark.parametrize("path", [*SPECS, *REFUSED], ids=lambda path: path.stem)
def test_spans_cover_their_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    module, _ = check(text)
    for node in nodes(module.items):
        span = getattr(node, "span", None)
        if span is None:
            continue
        covered = text[span.start : span.end]
        assert covered == covered.strip() != ""
        match node:
            case ast.Name(name):
                assert covered == name
            case ast.Number(_, written):
                assert covered == written
            case ast.Binary(op=op, op_span=place):
                assert text[place.start : place.end] == op
            case ast.Import(path=name, path_span=place):
                assert text[place.start : place.end] == f'"{name}"'
            case ast.Layer() | ast.Net() | ast.Flow() | ast.Param() | ast.Map() | ast.Let() | ast.Space():
                assert covered.startswith(type(node).__name__.lower())
            case ast.Comment():
                assert covered.startswith("#")
        for field in dataclasses.fields(node):  # type: ignore[arg-type]
            for child in nodes(getattr(node, field.name)):
                inner = getattr(child, "span", None)
                assert inner is None or (span.start <= inner.start and inner.end <= span.end)


def test_tree_of_a_small_program() -> None:
    module, _ = check(
        "mint 1\n## one\n##  two\nlayer A(K: Nat = 2) on Vec[D] ensures strict lower, lip <= 0.5 {\n"
        "  index i : K\n  param W[i], V : conv 3x5 strict lower (norm = none) on S with det == 1 via qr init zeros\n"
        "  map x -> x - sum[i](W[i](-x)) / (2 * K)\n}"
    )
    (layer,) = module.items
    assert isinstance(layer, ast.Layer)
    assert layer.doc == "one\n two"
    assert isinstance(layer.claims[0], ast.ClaimClass) and layer.claims[0].strict
    assert isinstance(layer.claims[1], ast.ClaimBound) and layer.claims[1].cmp == "<="
    param = layer.members[1]
    assert isinstance(param, ast.Param) and isinstance(param.kind, ast.KindMap)
    assert param.kind.size == (3, 5) and param.kind.strict and param.kind.direction is not None
    assert param.place is not None and param.place.endo
    assert param.constraints[0].via is not None and param.constraints[0].via.name.id == "qr"
    result = layer.body.result
    assert isinstance(result, ast.Binary) and result.op == "-" and isinstance(result.right, ast.Binary)
    assert isinstance(result.right.left, ast.Reduce) and result.right.left.word == "sum"


def test_comments_are_kept_aside() -> None:
    text = "# a\nmint 1 # b\r\n#\nconst K = 3 # c"
    assert [comment.text for comment in check(text)[0].comments] == ["# a", "# b", "#", "# c"]
    assert all(text[c.span.start] == "#" for c in check(text)[0].comments)


# ---------------------------------------------------------------- editions and numbers


@pytest.mark.parametrize(
    "text", ["const K = 3\n", "# about\n\nconst K = 3", "", "# only a comment", "  \n", "\ufeffact f = elu"]
)
def test_missing_edition_is_added(text: str) -> None:
    module, diagnostics = check(text)
    assert [d.code for d in diagnostics] == ["E0110"]
    assert module.edition is None
    fixed, after = check(apply(text, diagnostics))
    assert after == ()
    assert fixed.edition == 1
    assert len(fixed.comments) == len(module.comments)


def test_other_editions() -> None:
    assert codes("mint 2\nconst K = 3") == ["E0111"]
    assert codes("const K = 3\nmint 1") == ["E0110", "E0101"]
    assert codes("mint const K = 3") == ["E0101"]


@pytest.mark.parametrize(
    ("number", "code"),
    [("1000000000000000", None), ("1000000000000001", "E0106"), ("9" * 10_000, "E0106"), ("1e999", "E0106"),
     ("0" * 5_000 + "1", None), ("1e300", None), ("1.", "E0106"), (".5", "E0106")],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_numbers(number: str, code: str | None) -> None:
    assert codes(f"mint 1\nconst K = {number}\n") == ([code] if code else [])


def test_large_size_of_a_kernel() -> None:
    assert codes("mint 1\nlayer A on S {\n param W : conv " + "9" * 9999 + "x3\n map x -> W(x)\n}") == ["E0106"]


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "text",
    [
        "mint 1\nconst K = " + "(" * 5000 + "1" + ")" * 5000,
        "mint 1\nconst K = " + "(" * 5000,
        "mint 1\nconst K = " + "-" * 5000 + "1",
        "mint 1\nconst K = f" + "(1)" * 5000,
        "mint 1\nflow F on S " + "{ pair " * 5000,
        "mint 1\n" + "# " * limits.FILE.most,
    ],
    ids=lambda text: text[17:25],
)
def test_too_deep_or_too_large(text: str) -> None:
    module, diagnostics = check(text)
    assert [d.code for d in diagnostics] == ["E0107"]
    assert module.items == ()


def test_deep_but_allowed() -> None:
    for inner in ("(" * 100 + "1" + ")" * 100, "f(" * 98 + "1" + ")" * 98, "1 + 2 * " * 5000 + "1"):
        module, diagnostics = check(f"mint 1\nconst K = {inner}")
        assert diagnostics == ()
        assert module == check(f"mint 1\nconst   K = {inner}")[0]


@pytest.mark.parametrize(
    "text",
    [
        "\x00" * 1000,
        "mint 1\x00",
        "mint 1\nconst K = \ud800",
        'mint 1\nimport "x',
        'mint 1\nimport "x\n" { A }',
        "mint 1\r\nconst K = 3\r\n",
        "mint 1\rconst K = 3",
        "\ufeffmint 1\nconst K = 3",
        "mint 1 " + "x" * 1_000_000 + " x" * 50_000,
        "mint 1 " + "@" * 100_000,
        "mint 1 " + "@ $ " * 1_000,
        "}" * 3000,
        "mint 1 layer",
        "layer layer layer { { {",
        "\x1b[31m",
    ],
    ids=range(15),
)
def test_odd_input(text: str) -> None:
    start = time.process_time()
    _, diagnostics = check(text)
    assert len(diagnostics) <= 51
    assert time.process_time() - start < 10
    for diagnostic in diagnostics:
        for label in diagnostic.labels:
            assert 0 <= label.span.start <= label.span.end <= len(text)


def test_line_ends_do_not_matter() -> None:
    for path in SPECS:
        text = path.read_text(encoding="utf-8")
        module, diagnostics = check("\ufeff" + text.replace("\n", "\r\n"))
        assert diagnostics == ()
        assert module == check(text)[0]
