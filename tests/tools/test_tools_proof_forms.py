"""`mint prove` to files and in all forms: which form, what is overwritten, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tools_documents import check_html, check_latex, check_markdown

from mintdsl.tools.cli import cli
from mintdsl.tools.proof_forms import FORMS

ROOT = Path(__file__).parents[2]
SMALL = "mintnet/mnist_small.mint"
UNPROVED = "mint 1\nlayer S on Vec[D] ensures invertible {\n  map x -> tanh(x)\n}\n"
CHECKS = {
    "text": lambda text: None,
    "markdown": check_markdown,
    "latex": check_latex,
    "svg": ET.fromstring,
    "html": check_html,
    "json": json.loads,
}


def mint(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin)


def test_every_form_has_a_check() -> None:
    assert list(CHECKS) == list(FORMS)
    (option,) = [p for p in cli.commands["prove"].params if p.name == "form"]
    assert list(option.type.choices) == list(FORMS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path) -> None:
    printed = mint("prove", SMALL, "--format", form)
    assert printed.exit_code == 0 and printed.stderr == ""
    CHECKS[form](printed.output)
    assert printed.output.encode().startswith(FORMS[form].heads)
    path = tmp_path / f"proof{FORMS[form].suffix.upper()}"
    written = mint("prove", SMALL, "-o", str(path))
    assert written.exit_code == 0 and written.output == f"{path}: {FORMS[form].title} of MnistSmall\n"
    assert path.read_text(encoding="utf-8") == printed.output
    assert mint("prove", SMALL, "-o", str(path)).exit_code == 0, "written before"
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "no temporary file is left"


def test_the_form_wins_over_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    assert mint("prove", SMALL, "-o", str(path), "--format", "markdown").exit_code == 0
    assert path.read_text().startswith("# Proof of `MnistSmall`")
    assert mint("prove", SMALL, "-o", "-", "--format", "json").output.startswith('{\n  "certificate": 1,')
    for name in ("a.pdf", "a", "a.mint"):
        result = mint("prove", SMALL, "-o", str(tmp_path / name))
        assert result.exit_code == 2 and "--format" in result.stderr
    assert mint("prove", SMALL, "--format", "pdf").exit_code == 2


@pytest.mark.parametrize("form", FORMS)
def test_other_files_are_not_overwritten(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine{FORMS[form].suffix}"
    path.write_text("mine\n")
    result = mint("prove", SMALL, "-o", str(path))
    assert result.exit_code == 2 and "--force" in result.stderr and path.read_text() == "mine\n"
    assert mint("prove", SMALL, "-o", str(path), "--force").exit_code == 0
    path.write_text("")
    assert mint("prove", SMALL, "-o", str(path)).exit_code == 0, "an empty file is nobody's"


def test_a_spec_is_never_overwritten(tmp_path: Path) -> None:
    spec = tmp_path / "own.mint"
    text = "mint 1\nlayer S on Vec[D] ensures diag > 0, invertible {\n  map x -> 2 * x\n}\n"
    spec.write_text(text)
    link = tmp_path / "link.html"
    link.symlink_to(spec)
    for path in (spec, link):
        result = mint("prove", str(spec), "--format", "html", "-o", str(path), "--force")
        assert result.exit_code == 2 and "of the program itself" in result.stderr and spec.read_text() == text


@pytest.mark.parametrize("out", ["no/such/a.html", ".html/", "a\0.html", "x" * 300 + ".html"])
def test_files_that_cannot_be_written(out: str, tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    for name in (out if "\0" in out else str(tmp_path / out), str(tmp_path / "folder.html")):
        result = mint("prove", SMALL, "-o", name)
        assert result.exit_code == 2 and result.stderr.startswith("mint: "), result.stderr


def test_what_is_not_proved(tmp_path: Path) -> None:
    for form, known in FORMS.items():
        path = tmp_path / f"proof{known.suffix}"
        result = mint("prove", "-", "-o", str(path), stdin=UNPROVED)
        assert result.exit_code == 1 and "E0602" in result.stderr
        assert path.exists() == (form != "json"), "a document shows where it breaks, a certificate cannot"
        if path.exists():
            assert "not proved" in path.read_text().lower()
    for text in ("mint 1\nlayer", "mint 1\nlayer S on Vec[D] { map x -> y }\n"):
        result = mint("prove", "-", "-o", str(tmp_path / "new.html"), stdin=text)
        assert result.exit_code == 1 and not (tmp_path / "new.html").exists()


def test_what_has_no_proof(tmp_path: Path) -> None:
    path = str(tmp_path / "a.json")
    assert mint("prove", "-", stdin="mint 1\n").output == "nothing to prove\n"
    assert mint("prove", "-", "-o", str(tmp_path / "a.md"), stdin="mint 1\n").exit_code == 2
    assert mint("prove", "-", "-o", path, stdin="mint 1\n").exit_code == 2
    used = "mint 1\nlayer S(h: Act) on Vec[D] { map x -> h(x) }\n"
    result = mint("prove", "-", "-o", path, stdin=used)
    assert result.exit_code == 2 and "only where it is used" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html"])
def test_numerical_bounds_stand_apart(form: str) -> None:
    text = "mint 1\nlayer S on Vec[3] ensures invertible {\n  param t : scale with diag >= 0.5, diag <= 2\n"
    text += "  map x -> t * x\n}\n"
    result = mint("prove", "-", "--format", form, stdin=text)
    assert result.exit_code == 0
    CHECKS[form](result.output)
    after = result.output[result.output.index("Numerical") :]
    assert "Lipschitz bound 2" in after and "condition" in after and "round trip" in after and "Not claimed" in after


def test_support_goes_with_text(tmp_path: Path) -> None:
    assert "Support: " in mint("prove", SMALL, "--brief", "--support").output
    assert mint("prove", SMALL, "--support", "-o", str(tmp_path / "a.txt")).exit_code == 0
    assert "Support: " in (tmp_path / "a.txt").read_text()
    assert mint("prove", SMALL, "--support", "--format", "html").exit_code == 2


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert mint("prove", "mintnet/mint.mint", "Mint", "-o", str(path)).exit_code == 0
    result = mint("check-proof", "mintnet/mint.mint", str(path))
    assert result.exit_code == 0 and "Mint: proved by the certificate" in result.output


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Bytes as they are: UTF-8 whatever the terminal is."""
    command = [
        sys.executable,
        "-m",
        "mintdsl.tools.cli",
        "prove",
        "-",
        "--format",
        "html",
        "-o",
        str(tmp_path / "a.html"),
    ]
    text = "mint 1\n## na\u00efve \u2211\nlayer S on Vec[D] ensures diag > 0, invertible {\n  map x -> 2 * x\n}\n"
    environment = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PATH": ""}
    done = subprocess.run(command, input=text.encode(), capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "na\u00efve \u2211" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_the_page_on_proofs_shows_real_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "proofs.md").read_text(encoding="utf-8")
    for form, known in FORMS.items():
        assert f"| `{form}` |" in page and f"`{known.suffix}`" in page
    blocks = page.split("```")[1::2]
    (shown,) = [b.removeprefix("text\n") for b in blocks if b.startswith("text\nMnistSmall")]
    assert mint("prove", SMALL, "-o", str(tmp_path / "a.json")).exit_code == 0
    assert mint("check-proof", SMALL, str(tmp_path / "a.json")).output == shown
    (example,) = [b.removeprefix("python\n") for b in blocks if b.startswith("python\n")]
    names: dict[str, object] = {}
    exec(compile(example, "proofs.md", "exec"), names)
    assert names["checked"].target == "Mint"  # type: ignore[attr-defined]
