"""The checker by programs: each file of `refused/` and `accepted/` says in its first lines what must come out.

`# error: [E0403] W(x)` is one error and the text under its primary label, white space folded; `# error: [*]` is any
error. `# warning: [W0201] b` in `warned/` is one warning of a program that is accepted. `# proves: A: lower, diag > 0`
are the claims that are proved, `# class: A: lower, diag in (0, inf)` the class of the map that is derived,
`# assumes: A: diag(s) != 0 of A` what the proof takes for granted of stored numbers.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

import mintdsl
from mintdsl.diagnostics.codes import CODES
from mintdsl.diagnostics.model import Severity
from mintdsl.driver import Report
from mintdsl.proof.check import LayerProof

FOLDER = Path(__file__).parent
REFUSED = sorted((FOLDER / "refused").glob("*.mint"))
WARNED = sorted((FOLDER / "warned").glob("*.mint"))
ACCEPTED = sorted((FOLDER / "accepted").glob("*.mint"))

OPEN: dict[str, str] = {}
"""Programs that the checker does not yet refuse, and why they must be: remove an entry with its repair."""


def header(path: Path, word: str) -> list[str]:
    start = f"# {word}: "
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


def errors(report: Report, severity: Severity = Severity.ERROR) -> list[str]:
    found = []
    for d in report.diagnostics:
        if d.severity is severity:
            found.append(f"[{d.code}] " + " ".join(report.sources[d.primary.file].slice(d.primary).split()))
    return found


def refused(path: Path) -> ParameterSet:
    marks = [pytest.mark.xfail(reason=OPEN[path.stem], strict=True)] if path.stem in OPEN else []
    return pytest.param(path, id=path.stem, marks=marks)


@pytest.mark.parametrize("path", [refused(p) for p in REFUSED])
def test_refused_programs(path: Path) -> None:
    report = mintdsl.load(path).check()
    expected = header(path, "error")
    assert not report.ok
    if expected != ["[*]"]:
        assert errors(report) == expected


@pytest.mark.parametrize("path", WARNED, ids=lambda path: path.stem)
def test_programs_that_are_warned_of(path: Path) -> None:
    report = mintdsl.load(path).check()
    assert report.ok
    assert errors(report, Severity.WARNING) == header(path, "warning")


def test_every_code_has_a_program() -> None:
    shown = {line[1:6] for path in REFUSED for line in header(path, "error")}
    shown |= {line[1:6] for path in WARNED for line in header(path, "warning")}
    assert set(CODES) <= shown


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_accepted_programs(path: Path) -> None:
    report = mintdsl.load(path).check()
    assert errors(report) == []
    claims = []
    classes = []
    assumed = []
    for result in report.results:
        proof = result.proof
        definition = proof.layer if isinstance(proof, LayerProof) else proof.flow
        claims.append(f"{result.name}: {', '.join(map(str, definition.claims))}")
        derived = proof.jacobian.describe() if isinstance(proof, LayerProof) else proof.derivation.conclusion
        classes.append(f"{result.name}: {derived}")
        assumed += [f"{result.name}: {'; '.join(proof.assumptions)}"] if proof.assumptions else []
    assert claims == header(path, "proves")
    assert classes == header(path, "class")
    assert assumed == header(path, "assumes")


def test_there_are_enough_programs() -> None:
    assert len(REFUSED) >= 100
    assert len(ACCEPTED) >= 50
    assert all(header(p, "error") for p in REFUSED)
    assert all(header(p, "proves") for p in ACCEPTED)
    assert set(OPEN) <= {p.stem for p in REFUSED}
