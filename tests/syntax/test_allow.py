"""Allow comments: what they silence, where they must stand, and what is said of one that does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mintdsl
from mintdsl.diagnostics.codes import CODES
from mintdsl.diagnostics.model import Diagnostic, Safety, Severity
from mintdsl.driver import Report
from mintdsl.tools.fixes import applied, formatted

HEAD = "mint 1\nlayer A on Vec[D] ensures diag > 0 {\n  param s : scale with diag > 0\n"
TAIL = "\n  map x -> s * x\n}\n"


def check(*members: str) -> Report:
    return mintdsl.loads(HEAD + "\n".join(members) + TAIL).check()


def said(report: Report) -> list[str]:
    """`CODE text under the primary label`"""
    return [f"{d.code} {report.sources[d.primary.file].slice(d.primary)}" for d in report.diagnostics]


def only(report: Report) -> Diagnostic:
    (found,) = report.diagnostics
    assert found.code == "W0101" and found.severity is Severity.WARNING
    return found


@pytest.mark.parametrize(
    "members",
    [
        ("  param b : bias # mint: allow W0201",),
        ("  param b : bias# mint: allow W0201",),
        ("  param b : bias #mint:allow   W0201  ",),
        ("  # mint: allow W0201", "  param b : bias"),
        ("# mint: allow W0201", "\tparam b : bias"),
        ("  param b, d : bias # mint: allow W0201",),
    ],
)
def test_silenced(members: tuple[str, ...]) -> None:
    assert said(check(*members)) == []


@pytest.mark.parametrize(
    "members",
    [
        ("  param b : bias", "  # mint: allow W0201"),  # below
        ("  # mint: allow W0201", "", "  param b : bias"),  # a line between
        ("  # mint: allow W0201", "  # and why", "  param b : bias"),
        ("  index i : D # mint: allow W0201", "  param b : bias"),  # after another line of program
        ("  param b", "    : bias # mint: allow W0201"),  # where the name is not
    ],
)
def test_a_comment_elsewhere_silences_nothing(members: tuple[str, ...]) -> None:
    found = said(check(*members))
    assert sorted(found) == ["W0101 W0201", "W0201 b"]


def test_several_codes() -> None:
    text = (
        "mint 1\nlayer A(K: Nat = 2) on Vec[D] ensures diag > 0 {\n  index i : K\n  param V[i] : linear strict lower\n"
        "  param b[i], d : bias # mint: allow W0402, W0201\n  # mint: allow W0402\n"
        "  map x -> x + sum[i](V[i](x) + b[i])\n}\n"
    )
    report = mintdsl.loads(text).check()
    assert said(report) == ["W0101 W0402"]
    assert said(mintdsl.loads(text.replace("W0402, W0201", "W0201")).check()) == []


@pytest.mark.parametrize(
    ("comment", "under", "title"),
    [
        ("# mint: allow E0404", "E0404", "`E0404` is an error and cannot be allowed"),
        ("# mint: allow W9999", "W9999", "`W9999` is no code"),
        ("# mint: allow W0201 W0402", "W0201 W0402", "`W0201 W0402` is no code"),
        ("# mint: allow unused", "unused", "`unused` is no code"),
        ("# mint: allow w0402", "w0402", "`w0402` is no code"),
        ("# mint: allow W0201,", "", "a code is missing"),
        ("# mint: allow W0101", "W0101", "`W0101` speaks of allow comments and cannot be allowed"),
        ("# mint: allow", "# mint: allow", "this comment begins with `mint:` and allows nothing"),
        ("# mint: W0201", "# mint: W0201", "this comment begins with `mint:` and allows nothing"),
        ("# mint: allowed W0201", "# mint: allowed W0201", "this comment begins with `mint:` and allows nothing"),
        ("# mint: allow W0402", "W0402", "nothing to allow: `W0402` on line 4, it does not occur there"),
        ("# mint: allow W0201, W0201", "W0201", "nothing to allow: `W0201` on line 4, it is allowed already"),
    ],
)
def test_comments_that_allow_nothing(comment: str, under: str, title: str) -> None:
    report = check(f"  param b : bias {comment}")
    (found,) = [d for d in report.diagnostics if d.code == "W0101"]
    assert found.severity is Severity.WARNING and report.ok
    assert found.title == title
    assert report.sources[found.primary.file].slice(found.primary) == under


@pytest.mark.parametrize("code", [c for c in CODES if c[0] == "E"])
def test_errors_are_never_silenced(code: str) -> None:
    text = HEAD + "  param b : bias with diag > 0\n" + TAIL.replace("s * x", "s * y")
    before = [d for d in mintdsl.loads(text).check().diagnostics if d.severity is Severity.ERROR]
    lines = [f"{line} # mint: allow {code}" for line in text.splitlines()]
    report = mintdsl.loads("\n".join(lines)).check()
    after = [d for d in report.diagnostics if d.severity is Severity.ERROR]
    assert not report.ok
    assert [(d.code, d.title) for d in after] == [(d.code, d.title) for d in before]
    assert [d.title for d in report.diagnostics if d.code == "W0101"] == [
        f"`{code}` is an error and cannot be allowed"
    ] * len(lines)


def test_what_is_no_comment(tmp_path: Path) -> None:
    doc = check("  ## mint: allow W0402", "  param b : bias # mint: allow W0201")
    assert said(doc) == []
    (tmp_path / "a # mint: allow W0402.mint").write_text("mint 1\nlayer B on Vec[D] { map x -> x }\n")
    main = tmp_path / "main.mint"
    main.write_text('mint 1\nimport "./a # mint: allow W0402.mint" { B }\nflow F on Vec[2] { B }\n')
    report = mintdsl.load(main).check()
    assert said(report) == [] and report.ok


def test_nothing_is_said_of_use_where_errors_hide_warnings() -> None:
    text = HEAD + "  param b : bias # mint: allow W0201\n" + TAIL.replace("s * x", "s * y")
    assert [d.code for d in mintdsl.loads(text).check().diagnostics] == ["E0201"]


def test_a_part_of_a_file() -> None:
    one = "layer A(h: Act) on Vec[D] { map x -> h(x) } # mint: allow W0601\n"
    two = "layer B on Vec[D] { map x -> x }\n"
    program = mintdsl.loads("mint 1\n" + one + two)
    assert said(program.check()) == []
    assert said(program.check("A")) == []
    assert said(program.check("B")) == [], "not checked here, so not known to be useless"
    assert said(mintdsl.loads("mint 1\n" + one.replace("A(h: Act)", "A(h: Act = elu)") + two).check()) == [
        "W0101 W0601"
    ]


def test_each_file_speaks_for_itself(tmp_path: Path) -> None:
    lib = HEAD + "  param b : bias" + TAIL
    (tmp_path / "lib.mint").write_text(lib)
    main = tmp_path / "main.mint"
    use = 'mint 1\nimport "./lib.mint" { A }\nflow F on Vec[2] {\n  A\n}\n'
    main.write_text(use)
    assert [d.code for d in mintdsl.load(main).check().diagnostics] == ["W0201"]
    main.write_text(use.replace("{\n  A\n", "{\n\n  A # mint: allow W0201\n"))  # the same line number
    assert sorted(d.code for d in mintdsl.load(main).check().diagnostics) == ["W0101", "W0201"]
    main.write_text(use)
    (tmp_path / "lib.mint").write_text(lib.replace(": bias", ": bias # mint: allow W0201"))
    assert mintdsl.load(main).check().diagnostics == ()


def repaired(text: str) -> Iterator[str]:
    """`text` after each round of its first safe fix."""
    for _ in range(9):
        program = mintdsl.loads(text)
        fixes = [f for d in program.check().diagnostics for f in d.fixes if f.safety is Safety.SAFE]
        if not fixes:
            return
        text = applied(text, sorted(fixes[0].edits, key=lambda e: e.span))
        yield text


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("  param b : bias # mint: allow W0402", None),
        ("  param b : bias # mint: allow W0402, W0201", "  param b : bias # mint: allow W0201"),
        ("  param b : bias # mint: allow W0402, W0201, W0601", "  param b : bias # mint: allow W0201"),
        ("  param b : bias # mint: allow W0201, W0402", "  param b : bias # mint: allow W0201"),
        ("  param b : bias # mint: allow W0201, W0402 , W0601", "  param b : bias # mint: allow W0201"),
    ],
)
def test_the_fix_removes_what_does_nothing(line: str, left: str | None) -> None:
    *_, last = repaired(HEAD + line + TAIL)
    if left is None:
        assert last == HEAD + "  param b : bias" + TAIL
    else:
        assert last == HEAD + left + TAIL
        assert mintdsl.loads(last).check().diagnostics == ()


def test_the_fix_removes_a_line_of_its_own() -> None:
    *_, last = repaired(HEAD + "  # mint: allow W0402, W0601" + TAIL)
    assert last == HEAD + TAIL[1:]


def test_the_formatter_keeps_them() -> None:
    untidy = (
        "mint 1\n   # mint: allow W0601\nlayer A( h:Act ) on Vec[ D ]{\n      # mint: allow W0201\n param   b:bias\n"
        "  param d   :bias      #mint: allow W0201\n map x->h( x )\n}\n"
        "flow F on Vec[2] {  A(h=elu)   # a step\n  }\n"
    )
    program = mintdsl.loads(untidy)
    assert program.check().diagnostics == ()
    tidy = formatted(program)
    assert tidy != untidy and tidy.count("mint: allow") == 3
    assert mintdsl.loads(tidy).check().diagnostics == ()
    assert formatted(mintdsl.loads(tidy)) == tidy
