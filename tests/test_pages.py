"""Every code has a page, and every page tells the truth: its programs are run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mintdsl
from mintdsl.diagnostics import codes
from mintdsl.diagnostics.defects import DEFECTS
from mintdsl.diagnostics.model import Severity
from mintdsl.diagnostics.render import render
from mintdsl.proof.rules import RULES

PACKAGE = Path(codes.__file__).parents[1]
FENCE = re.compile(r"^```mint (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def in_sources() -> set[str]:
    """The codes written in the sources, the registry itself apart."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        if path != Path(codes.__file__):
            found |= set(re.findall(r"[\"']([EW]\d{4})[\"']", path.read_text(encoding="utf-8")))
    return found


def blocks(code: str) -> dict[str, str]:
    return dict(FENCE.findall(codes.page(code)))


def test_the_registry_lists_what_the_sources_report() -> None:
    assert in_sources() == set(codes.CODES)


def test_the_registry_is_in_order() -> None:
    assert list(codes.CODES) == sorted(codes.CODES)
    for key, code in codes.CODES.items():
        assert code.code == key
        assert code.severity is (Severity.ERROR if key[0] == "E" else Severity.WARNING)
        assert code.rule == "" or code.rule in RULES
        assert code.title and not code.title.endswith(".")


def test_no_page_is_left_over() -> None:
    assert {path.stem for path in (PACKAGE / "diagnostics" / "pages").glob("*.md")} == set(codes.CODES)


def test_a_code_that_does_not_exist() -> None:
    with pytest.raises(KeyError):
        codes.page("E0000")
    with pytest.raises(KeyError):
        codes.page("../../../secret")


@pytest.mark.parametrize("code", codes.CODES)
def test_form(code: str) -> None:
    text = codes.page(code)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [f"# {code}: {codes.CODES[code].title}", "## The mistake", "## Why", "## Repaired"]
    wrong = "refused" if code[0] == "E" else "warned"
    assert [kind for kind, _ in FENCE.findall(text)] == [wrong, "accepted"]
    assert text.count("```") == 4
    assert len(text.splitlines()) <= 60
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize("code", codes.CODES)
def test_the_mistake_gives_this_code(code: str, tmp_path: Path) -> None:
    path = tmp_path / "page.mint"
    path.write_text(blocks(code)["refused" if code[0] == "E" else "warned"], encoding="utf-8")
    report = mintdsl.load(path).check()
    assert {d.code for d in report.diagnostics} == {code}
    assert {d.severity for d in report.diagnostics} == {codes.CODES[code].severity}
    assert report.ok == (code[0] == "W")


@pytest.mark.parametrize("code", codes.CODES)
def test_what_the_mistake_looks_like(code: str, golden: Callable[[str, str], None]) -> None:
    program = mintdsl.loads(blocks(code)["refused" if code[0] == "E" else "warned"], "page.mint")
    report = program.check()
    golden(f"codes/{code}.txt", render(report.diagnostics, report.sources, color=False, width=100))


def test_every_golden_has_a_code() -> None:
    assert {path.stem for path in (Path(__file__).parent / "golden" / "codes").glob("*")} == set(codes.CODES)


@pytest.mark.parametrize("code", codes.CODES)
def test_the_repaired_program_is_accepted(code: str, tmp_path: Path) -> None:
    path = tmp_path / "page.mint"
    path.write_text(blocks(code)["accepted"], encoding="utf-8")
    report = mintdsl.load(path).check()
    assert report.diagnostics == ()
    assert report.results


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_refused_and_its_repair_proved_by_the_rule(name: str) -> None:
    defect = DEFECTS[name]
    assert defect.name == name and defect.rule in RULES
    report = mintdsl.loads(defect.refused).check()
    assert [d.code for d in report.diagnostics] == [defect.code]
    report = mintdsl.loads(defect.accepted).check()
    assert report.diagnostics == ()
    derivation = report.results[0].proof.derivation
    assert defect.rule in {node.rule for node in derivation.nodes()}
    assert mintdsl.loads(defect.accepted).generate()


def test_reading_a_page_imports_nothing_heavy() -> None:
    program = (
        "import sys; from mintdsl.diagnostics.codes import page; page('E0401'); "
        "print([m for m in ('torch', 'pydantic', 'networkx', 'lark', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
