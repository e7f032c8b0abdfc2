"""Every fix that has edits is applied: its own diagnostic goes, the text still parses, and safe ones harm nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

import mintdsl
from mintdsl.diagnostics.codes import CODES, page
from mintdsl.diagnostics.model import Diagnostic, Edit, Fix, Safety
from mintdsl.driver import Report
from mintdsl.syntax.repairs import REPAIRS
from mintdsl.tools.cli import cli
from mintdsl.tools.fixes import applied

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = ("proof/refused", "proof/warned", "programs/refused", "programs/syntax", "programs/fixes")
FENCE = re.compile(r"^```mint (?:refused|warned)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = "page.mint"


@cache
def programs() -> dict[str, str]:
    """Every program of the tests that is refused or warned of, by a name."""
    found = {
        f"{folder}/{path.stem}": path.read_text(encoding="utf-8")
        for folder in FOLDERS
        for path in sorted((TESTS / folder).glob("*.mint"))
    }
    found |= {f"page/{code}": FENCE.findall(page(code))[0] for code in CODES}
    windows = found["programs/fixes/name_taken"].replace("\n", "\r\n")
    return found | {"windows": windows, "no line end": "# nothing"}


def check(text: str) -> Report:
    return mintdsl.loads(text, FILE).check()


def fixes(text: str) -> Iterator[tuple[Diagnostic, Fix]]:
    """The fixes that edit the program itself, and the diagnostics that they are for."""
    for diagnostic in check(text).diagnostics:
        for fix in diagnostic.fixes:
            assert (fix.safety is Safety.DISPLAY) == (not fix.edits), fix.title
            if fix.edits and all(e.span.file == FILE for e in fix.edits):
                yield diagnostic, fix


def after(text: str, fix: Fix) -> str:
    return applied(text, sorted(fix.edits, key=lambda e: (e.span.start, e.span.end)))


def places(offset: int, edits: tuple[Edit, ...]) -> set[int]:
    """Where an offset may lie after `edits`: what is inserted there counts as before it, or as behind it."""
    grown = {e: len(e.text) - (e.span.end - e.span.start) for e in edits}
    before = sum(g for e, g in grown.items() if e.span.end < offset)
    at = sum(g for e, g in grown.items() if e.span.end == offset)
    inside = sum(len(e.text) for e in edits if e.span.start <= offset < e.span.end)
    return {offset + before, offset + before + at, offset + before + inside}


def stage(code: str) -> int:
    """Which stage gives a code: text, names and shapes, proof."""
    elaborated = code[1:3] in ("02", "03", "07") or code in ("E0405", "E0408", "E0604", "E0605")
    return 0 if code[1:3] == "01" else 1 if elaborated else 2


@pytest.mark.parametrize("name", programs())
def test_a_fix_removes_its_diagnostic(name: str) -> None:
    text = programs()[name]
    before = check(text)
    for diagnostic, fix in fixes(text):
        report = check(after(text, fix))
        starts, ends = places(diagnostic.primary.start, fix.edits), places(diagnostic.primary.end, fix.edits)
        for other in report.diagnostics:
            same = other.primary.start in starts and other.primary.end in ends
            assert other.code != diagnostic.code or not same, (fix.title, other.title)
        left = Counter(d.code for d in before.diagnostics) - Counter([diagnostic.code])
        new = Counter(d.code for d in report.diagnostics) - left
        assert all(stage(code) > 0 for code in new), (fix.title, new)
        if fix.safety is Safety.SAFE:  # nothing new, but for what only a sound program is asked
            assert all(stage(code) > stage(diagnostic.code) for code in new), (fix.title, new)


def test_every_repair_finds_its_place_somewhere() -> None:
    assert set(REPAIRS) <= {diagnostic.code for text in programs().values() for diagnostic, _ in fixes(text)}


@pytest.mark.parametrize("name", [name for name in programs() if name.startswith("programs/fixes/")])
def test_what_the_first_fix_writes(name: str, golden: Callable[[str, str], None]) -> None:
    text = programs()[name]
    first = next((after(text, fix) for _, fix in fixes(text)), "no fix has edits\n")
    golden(f"fixes/{name.rpartition('/')[2]}.mint", first)


def test_where_there_is_no_definite_change() -> None:
    # no factor of the tie can take a sign for each pixel; a doc comment would lose its parameter
    for name in ("signs_of_scales", "unused_and_documented"):
        assert not list(fixes(programs()[f"programs/fixes/{name}"]))
    _, fix = next(fixes(programs()["programs/fixes/shared_scale"]))
    assert [e.text for e in fix.edits] == ["exp(", ")"], "a constraint would bind the other scale as well"


def test_safe_means_that_nothing_is_chosen() -> None:
    for safety, names in (
        (Safety.UNSAFE, ("missing_comma", "bracket_of_a_sum", "missing_brace", "one_bracket_too_many")),
        (Safety.SAFE, ("missing_square", "missing_equal", "missing_arrow", "digit_after", "import_used_often")),
    ):
        for name in names:
            assert {fix.safety for _, fix in fixes(programs()[f"programs/fixes/{name}"])} == {safety}, name
    (claim,) = (fix for _, fix in fixes(programs()["proof/refused/claim_unknown"]))
    assert claim.safety is Safety.UNSAFE and claim.text == "invertible", "bijective is no misspelled injective"


@pytest.mark.parametrize("options", [("--fix",), ("--fix", "--unsafe-fixes")], ids="+".join)
def test_fixing_ends(options: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / FILE
    for name, text in programs().items():
        if not any(True for _ in fixes(text)):
            continue
        path.write_text(text, encoding="utf-8", newline="")
        CliRunner().invoke(cli, ["check", str(path), *options, "--output", "concise"])
        result = CliRunner().invoke(cli, ["check", str(path), *options])
        assert "fix to apply" in result.output, (name, result.output)


def test_unsafe_fixes_are_asked_for(tmp_path: Path) -> None:
    path, text = tmp_path / FILE, programs()["page/E0401"]
    path.write_text(text, encoding="utf-8")
    assert "no safe fix to apply" in CliRunner().invoke(cli, ["check", str(path), "--fix"]).output
    assert path.read_text(encoding="utf-8") == text
    result = CliRunner().invoke(cli, ["check", str(path), "--fix", "--unsafe-fixes"])
    assert result.exit_code == 0 and "2 edits made" in result.output and "proved: " in result.output
    assert CliRunner().invoke(cli, ["check", str(path), "--unsafe-fixes"]).exit_code == 2
