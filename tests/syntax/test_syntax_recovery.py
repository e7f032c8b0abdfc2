"""One mistake, one message; what is sound around it is kept."""

from __future__ import annotations

import pytest

from mintdsl.diagnostics.model import Diagnostic, Safety
from mintdsl.source import Source
from mintdsl.syntax import ast
from mintdsl.syntax.parse import parse


def check(text: str) -> tuple[ast.Module, list[str], tuple[Diagnostic, ...]]:
    """The module, and `line:code` of each message."""
    source = Source("test.mint", text)
    module, diagnostics = parse(source)
    return module, [f"{source.position(d.primary.start).line}:{d.code}" for d in diagnostics], diagnostics


def names(module: ast.Module) -> list[str]:
    return [item.name.id for item in module.items if not isinstance(item, ast.Import)]


def test_four_mistakes_in_four_members() -> None:
    module, found, _ = check("""mint 1
layer A on Vec[D] {
  param s scale
  param t : scale with diag >= init ones
  index i K
  param u : bias
  let (a, b = split(x, halves)
  param v : bias
  map x -> s * x
}
layer B on Vec[D] {
  map x -> x
}
""")
    assert found == ["3:E0101", "4:E0101", "5:E0101", "7:E0102"]
    assert names(module) == ["A", "B"]
    assert module.poisoned == {"t"}
    layer = module.items[0]
    assert isinstance(layer, ast.Layer)
    assert len(layer.members) == 5


def test_four_mistakes_in_four_definitions() -> None:
    module, found, _ = check("""mint 1
const K 3
order o = h + w
layer A(K Nat) on Vec[D] { map x -> x }
flow F on Vec[2] {
  reverse reverse
  repeat { A }
  A(K = )
  A
}
act f(u = u
layer B on Vec[D] { map x -> x }
""")
    assert found == ["2:E0101", "3:E0101", "4:E0101", "7:E0101", "8:E0101", "11:E0102"]
    assert {"A", "F", "B"} <= set(names(module))
    assert "o" in module.poisoned


@pytest.mark.parametrize(
    ("text", "code", "opened"),
    [
        ("layer A on Vec[D { map x -> x }", "E0102", "["),
        ("layer A on Vec[D] { map x -> f(x }", "E0102", "("),
        ("layer A on Vec[D] { map x -> f(x] }", "E0102", "("),
        ("layer A on Vec[D] { map x -> x\nlayer B on S { map x -> x }", "E0102", "{"),
        ("layer A on Vec[D] { map x { return x\nlayer B on S { map x -> x }", "E0102", "{"),
        ("flow A on Vec[D] { repeat 2 { reverse", "E0102", "{"),
        ('import "a" { B', "E0102", "{"),
    ],
)
def test_unclosed(text: str, code: str, opened: str) -> None:
    _, found, diagnostics = check("mint 1\n" + text)
    assert [line.split(":")[1] for line in found] == [code]
    second = next(label for label in diagnostics[0].labels if not label.primary)
    assert ("mint 1\n" + text)[second.span.start : second.span.end] == opened


def test_missing_brace_keeps_both_layers() -> None:
    module, found, _ = check("mint 1\nlayer A on S {\n  map x -> x\nlayer B on S {\n  map x -> x\n}\n")
    assert found == ["4:E0102"]
    assert names(module) == ["A", "B"]


@pytest.mark.parametrize("text", ["act f = g)", "flow F on S { A) B }", "layer A on S { map x -> x } }"])
def test_closing_too_much(text: str) -> None:
    module, found, _ = check("mint 1\n" + text)
    assert found == ["2:E0102"]
    assert len(module.items) == 1


def test_broken_header_poisons_the_name() -> None:
    module, found, _ = check("mint 1\nlayer A { param s : scale map x -> s * x }\nlayer B on S { map x -> x }")
    assert found == ["2:E0101"]
    assert names(module) == ["B"]
    assert module.poisoned == {"A"}


@pytest.mark.parametrize(
    ("text", "poisoned"),
    [
        ("import \"a\" { A B }", {"A", "B"}),
        ("layer A on S { param W1[j], W2[i, j] conv map x -> x }", {"W1", "W2"}),
        ("layer A on S { let (a, b) = * map x -> x }", {"a", "b"}),
        ("layer A on S { index i, j K K map x -> x }", {"i", "j"}),
        ("layer A on S { param s : scale }", {"A"}),
        ("extern net U to S", {"U"}),
    ],
)  # fmt: skip
def test_poisoned_names(text: str, poisoned: set[str]) -> None:
    module, found, _ = check("mint 1\n" + text)
    assert len(found) == 1
    kept = {binder.name.id for item in module.items if isinstance(item, ast.Layer) for binder in _binders(item)}
    imported = {name.id for item in module.items if isinstance(item, ast.Import) for name in item.names}
    assert poisoned <= module.poisoned | kept | imported


def _binders(layer: ast.Layer) -> list[ast.Binder]:
    return [binder for member in layer.members if isinstance(member, ast.Param) for binder in member.binders]


def test_later_words() -> None:
    module, found, diagnostics = check("mint 1\nlayer E on S { map x -> x }\nshare W\nconst K = 3\n")
    assert found == ["3:E0104"]
    assert "share" in diagnostics[0].title
    assert names(module) == ["E", "K"]


def test_word_used_as_a_name_is_reported_once() -> None:
    module, found, _ = check(
        "mint 1\nlayer A on S {\n  param order : scale\n  param b : bias\n  map x -> order * x + b + order * b\n}"
    )
    assert found == ["3:E0104"]
    assert names(module) == ["A"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("lyer A on S { map x -> x }", "layer"),
        ("layer A on S ensure lower { map x -> x }", "ensures"),
        ("layer A on S { parm s : scale\n map x -> x }", "param"),
        ("layer A on S { param s : scale\n parm t : scale\n map x -> x }", "param"),
        ("layer A on S { map x { retrun x } }", "return"),
    ],
)
def test_misspelled_words(text: str, word: str) -> None:
    _, found, diagnostics = check("mint 1\n" + text)
    assert len(found) == 1
    (fix,) = diagnostics[0].fixes
    assert fix.title == f"did you mean `{word}`?"
    assert fix.safety is Safety.SAFE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("act f(u) = u ^ 3", "write u * u"),
        ("const K = 7 % 2", "unknown character `%`"),
        ("const K = 2 × 3", "`×` is written `*`"),
        ("const K = 3;", "unknown character `;`"),
        ("import 'a' { B }", "double quotes"),
        ('import "a { B }', "no closing quote"),
        ("const K = 3 \x1b", "unknown character U+001B"),
        ("flow F on S { if x { A } }", "`if` is not a word of the language"),
        ("def f(x): x", "`def` is not a word"),
        ("flow F on S { while x { A } }", "no loops"),
        ("layer A on S { param b : bias\n map x -> x\n param c : bias }", "the map is the last member"),
        ("layer A(K) on S { map x -> x }", "`:` and a type"),
        ("net N from S { map x -> x }", "`to`"),
        ("net N { map x -> x }", "`from SHAPES to SHAPES`"),
        ("layer A on S { param s : \n map x -> x }", "the kind of the parameter"),
        ("layer A on S { param s : scale with lip = 0.5\n map x -> x }", "a constraint compares with =="),
        ("flow F on S { A log_det }", "exact, series(...)"),
        ("flow F on S ensures { A }", "a claim, such as"),
    ],
)
def test_messages(text: str, says: str) -> None:
    _, found, diagnostics = check("mint 1\n" + text)
    assert says in diagnostics[0].title, diagnostics[0].title
    assert len(found) == 1 or text.startswith(("def", 'import "a {'))


def test_many_errors_stop() -> None:
    module, found, _ = check("mint 1\n" + "layer {\n}\nconst a b c d\n" * 200)
    assert len(found) == 50
    assert not module.items or module.poisoned
