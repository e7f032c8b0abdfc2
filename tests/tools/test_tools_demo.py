"""The demonstration, as short as it can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mintdsl.tools.cli import cli


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    result = CliRunner().invoke(cli, ["demo", "-o", str(folder), "--seconds", "2"])
    assert result.exit_code in (0, 1), result.output  # 1 where two seconds were too short to learn anything
    assert (result.exit_code == 1) == ("did not fall" in result.output)
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "architecture.png", "architecture.svg", "curve.png", "mnist_small.py", "model.pt", "pictures.png", "proof.txt",
        "report.txt",
    }  # fmt: skip
    assert str(folder / "mnist_small.py") in result.output.replace("\n   ", " ")
    report = (folder / "report.txt").read_text()
    assert "worst error of log|det|" in report and "worst error in grey levels" in report
    assert "Not claimed" in (folder / "proof.txt").read_text()


def test_demo_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "mnist_small.py").write_text("mine = 1\n")
    result = CliRunner().invoke(cli, ["demo", "-o", str(tmp_path), "--seconds", "1"])
    assert result.exit_code == 2
    assert (tmp_path / "mnist_small.py").read_text() == "mine = 1\n"
