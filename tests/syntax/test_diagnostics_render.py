"""What a diagnostic looks like in a terminal: goldens under tests/golden/render."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mintdsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Safety, Severity
from mintdsl.diagnostics.render import concise, printable, render, summary
from mintdsl.source import Source, Span
from mintdsl.syntax.parse import parse


class Example:
    """Builds diagnostics by quoting the text that they point at."""

    def __init__(self, text: str, file: str = "example.mint") -> None:
        self.source = Source(file, text)

    def at(self, quote: str, skip: int = 0) -> Span:
        start = -1
        for _ in range(skip + 1):
            start = self.source.text.index(quote, start + 1)
        return Span(self.source.file, start, start + len(quote))

    def label(self, quote: str, text: str, *, primary: bool = False, skip: int = 0) -> Label:
        return Label(self.at(quote, skip), text, primary)


def unknown_name() -> tuple[list[Diagnostic], list[Source]]:
    e = Example(
        "mint 1\n\nlayer Affine on Vec[D] {\n  param scale : scale\n  param shift : bias\n"
        "  map x -> scale * x + shfit\n}\n"
    )
    labels = (
        e.label("shfit", "not found in this layer", primary=True),
        e.label("shift", "similar name declared here"),
    )
    fix = Fix("did you mean `shift`?", (Edit(e.at("shfit"), "shift"),), Safety.SAFE)
    return [Diagnostic("E0201", "unknown name `shfit`", labels, (), (fix,))], [e.source]


def opposite_signs() -> tuple[list[Diagnostic], list[Source]]:
    e = Example(
        "mint 1\n\nlayer Difference on Vec[D] ensures lower, diag > 0 {\n  param t : scale with diag > 0\n"
        "  param W : linear lower with diag >= 0\n  map x -> t * x - W(x)\n}\n"
    )
    labels = (
        e.label("-", "", primary=True, skip=1),
        e.label("t * x", "diagonal > 0"),
        e.label("W(x)", "diagonal <= 0 after the minus"),
        e.label("diag > 0", "needed for this claim"),
    )
    note = "the sum is zero wherever the two cancel, so it may fold space there"
    line = "param W : linear lower with diag >= 0"
    fix = Fix(
        "flip the sign of `W`, which is a free parameter",
        (Edit(e.at(line), line.replace(">=", "<=")),),
        Safety.UNSAFE,
    )
    return [Diagnostic("E0403", "terms of a sum have diagonals of opposite sign", labels, (note,), (fix,))], [e.source]


def missing_tie() -> tuple[list[Diagnostic], list[Source]]:
    e = Example(
        "mint 1\n\n\nlayer Mint(K: Nat, tri: Dir) on Image[C, H, W] ensures tri {\n  index i, j : K\n\n"
        "  param W1[j]    : conv 3x3 tri\n  param W2[i, j] : conv 3x3 tri\n\n  map x {\n"
        "    let v[i] = h(sum[j](W2[i, j](h(W1[j](x)))))\n    return x + sum[i](v[i])\n  }\n}\n"
    )
    labels = (
        e.label("sum[j](W2[i, j](h(W1[j](x))))", "each term has its own sign", primary=True),
        e.label("W1[j]", "sign free, varies with j"),
        e.label("W2[i, j]", "sign free, varies with i and j"),
    )
    at = e.at("\n  map").start
    fix = Fix(
        "tie the product of the diagonals; `W2` carries both indices and is\nsolved for",
        (Edit(Span(e.source.file, at, at), "  tie diag(W2[i, j]) * diag(W1[j]) >= 0\n"),),
        Safety.UNSAFE,
    )
    note = "     W2(h(W1(x)))\n     |    |  any sign\n     any sign"
    notes = ("terms of different sign can cancel, so the diagonal of the sum is unknown " * 2, note)
    return [Diagnostic("E0404", "signs in this sum are not tied to each other", labels, notes, (fix,))], [e.source]


def overlapping_and_many() -> tuple[list[Diagnostic], list[Source]]:
    e = Example("map x -> join(a, b * exp(s(a)) + m(a))\n")
    labels = (
        e.label("b * exp(s(a)) + m(a)", "the sum", primary=True),
        e.label("exp", "a"),
        e.label("b", "first"),
        e.label("m(a)", "last"),
        e.label("join", "outside"),
    )
    return [Diagnostic("E0999", "labels over labels", labels)], [e.source]


def two_files_and_lines() -> tuple[list[Diagnostic], list[Source]]:
    e = Example('mint 1\nimport "lib.mint" { A }\nflow F on S {\n  A(K = 1)\n  reverse\n}\n')
    lib = Example("mint 1\nlayer A on S {\n  map x -> x\n}\n", "lib.mint")
    labels = (
        e.label("A(K = 1)\n  reverse", "these two steps", primary=True),
        lib.label("layer A", "declared here, without formals"),
    )
    warning = Diagnostic("W0201", "a warning", (e.label("S", "only this", primary=True),), severity=Severity.WARNING)
    return [Diagnostic("E0203", "`A` takes no arguments", labels, ("a note",)), warning], [e.source, lib.source]


def odd_characters() -> tuple[list[Diagnostic], list[Source]]:
    e = Example("\tparam 幅 : scale\t# \x1b[31mred\u202e e\u0301 \x00\n  let x = '\x1b]0;title\x07'")
    labels = (e.label("scale", "after wide\x1b[0m characters", primary=True), e.label("幅", "wide"))
    end = len(e.source.text)
    last = Diagnostic("E0102", "at the \x1b[2Jend", (Label(Span(e.source.file, end, end), "here", True),))
    return [Diagnostic("E0999", "odd", labels, ("a \x1b[31m note",)), last], [e.source]


def end_of_file() -> tuple[list[Diagnostic], list[Source]]:
    source = Source("end.mint", "mint 1\nflow F on S {\n  A\n")
    empty = Source("empty.mint", "")
    nowhere = Diagnostic("E0202", "file not found", (Label(Span("gone.mint", 5, 9), "", True),), ("a note",))
    return [*parse(source)[1], *parse(empty)[1], nowhere], [source, empty]


EXAMPLES = [
    unknown_name, opposite_signs, missing_tie, overlapping_and_many, two_files_and_lines, odd_characters, end_of_file
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_goldens(
    example: Callable[[], tuple[list[Diagnostic], list[Source]]], golden: Callable[[str, str], None]
) -> None:
    diagnostics, files = example()
    sources = {source.file: source for source in files}
    text = render(diagnostics, sources, color=False, width=90)
    text += "\n" + concise(diagnostics, sources) + summary(diagnostics) + "\n"
    golden(f"render/{example.__name__}.txt", text)


def test_no_control_characters_reach_the_terminal() -> None:
    diagnostics, files = odd_characters()
    text = render(diagnostics, {source.file: source for source in files}, color=False, width=90)
    assert all(char == "\n" or char.isprintable() or char == "\u0301" for char in text)
    assert printable("a\x9b\u2028\ud800b") == "a\\x9b\\u2028\\ud800b"


def test_colours_add_nothing_but_styles() -> None:
    import re

    for example in EXAMPLES:
        diagnostics, files = example()
        sources = {source.file: source for source in files}
        plain = render(diagnostics, sources, color=False, width=90)
        coloured = render(diagnostics, sources, color=True, width=90)
        assert "\x1b[" in coloured
        assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain


def test_every_syntax_error_renders() -> None:
    for path in sorted((Path(__file__).parents[1] / "programs" / "syntax").glob("*.mint")):
        source = Source(path.name, path.read_text(encoding="utf-8"))
        diagnostics = parse(source)[1]
        text = render(diagnostics, {source.file: source}, color=False, width=40)
        assert text.startswith(f"error[{diagnostics[0].code}]: ")
        assert "^" in text


def test_summary() -> None:
    error = Diagnostic("E0101", "", (Label(Span("", 0, 0), "", True),))
    warning = Diagnostic("W0201", "", error.labels, severity=Severity.WARNING)
    assert summary([]) == ""
    assert summary([error]) == "1 error"
    assert summary([error, warning, error]) == "2 errors, 1 warning"
