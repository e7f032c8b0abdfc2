"""`mint check-proof`: what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import mintdsl
from mintdsl.proof.kernel import TRUSTED
from mintdsl.resources import resource
from mintdsl.tools.certificates import WIDTH, text
from mintdsl.tools.cli import cli

SMALL = "mintnet/mnist_small.mint"


def mint(*args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin)


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    path = tmp_path / "proof.json"
    path.write_text(text(mintdsl.load(resource("specs") / SMALL).certificate()))
    return path


def test_a_certificate_is_checked(proof: Path) -> None:
    result = mint("check-proof", SMALL, str(proof))
    assert result.exit_code == 0 and result.stderr == ""
    found = json.loads(proof.read_text())["hash"]
    assert result.output.splitlines() == [
        "MnistSmall: proved by the certificate",
        "       definition  steps  claims",
        "-----  ----------  -----  -------------------------",
        "layer  Mint        20     tri, diag > 0, invertible",
        "flow   MintPair    3      invertible",
        "flow   MnistSmall  11     invertible",
        "checked: 3 definitions, 5 claims, 34 steps",
        f"hash: {found}",
    ]
    assert mint("check-proof", SMALL, str(proof), "-D", "K=32").exit_code == 0
    assert mint("check-proof", SMALL, str(proof), "-D", "K=45").exit_code == 1
    assert mint("check-proof", SMALL, "-", stdin=proof.read_bytes()).exit_code == 0
    assert mint("check-proof", SMALL, str(proof), "MnistSmall").output == result.output
    other = mint("check-proof", SMALL, str(proof), "MintPair")
    assert other.exit_code == 1 and "for `MnistSmall`, not for `MintPair`" in other.stderr
    assert mint("check-proof", SMALL, str(proof), "Nothing").exit_code == 2


def test_what_is_trusted(proof: Path) -> None:
    output = " ".join(mint("check-proof", SMALL, str(proof), "--trusted").output.split())
    for line in TRUSTED:
        assert line in output


def test_what_does_not_fit(proof: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mint"
    other.write_text('mint 1\nimport "mintnet/mint.mint" { MintPair }\n'
                     "flow MnistSmall on Image[1, 28, 28] ensures invertible { MintPair(K = 1) }\n")  # fmt: skip
    result = mint("check-proof", str(other), str(proof))
    assert result.exit_code == 1 and result.stdout == ""
    assert "`MnistSmall` differs in its formals" in result.stderr and result.stderr.count("\n") == 1
    whole = proof.read_text()
    for old, new, says in (
        ('"COMP"', '"BASIC"', "a step does not follow: Mint, v, node 1"),
        ("1e-12", "1e-13", "edited: its hash"),
        ('"certificate": 1', '"certificate": NaN', "not JSON: NaN"),
        ("MnistSmall", "\\u202e\\u001b[31m", "for `\\u202e\\x1b[31m`, which is not defined here"),
    ):
        proof.write_text(whole.replace(old, new))
        result = mint("check-proof", SMALL, str(proof))
        assert result.exit_code == 1 and says in result.stderr
    proof.write_text('{"certificate": 1, "\\u202e\\u001b[31m\\ud800": 1, "hash": "", "statement": {}, "proofs": []}')
    result = mint("check-proof", SMALL, str(proof))
    assert result.exit_code == 1 and "\\u202e\\x1b[31m\\ud800 does not belong there" in result.stderr
    assert mint("check-proof", "-", str(proof), stdin="mint 1\nlayer").exit_code == 1


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    result = mint("check-proof", SMALL, str(tmp_path / name) if "\0" not in name else name)
    assert result.exit_code == 2 and result.stderr.startswith("mint: ") and result.stderr.count("\n") == 1
    assert mint("check-proof", "-", "-", stdin="mint 1\n").exit_code == 2
    assert mint("check-proof", SMALL).exit_code == 2


def test_the_text_of_a_certificate() -> None:
    data = mintdsl.load(resource("specs") / SMALL).certificate()
    written = text(data)
    assert json.loads(written) == data
    assert max(map(len, written.splitlines())) <= WIDTH + 1
    assert (
        text([]) == "[]\n" and text({"a": ["b" * 200, {}]}) == '{\n  "a": [\n    "' + "b" * 200 + '",\n    {}\n  ]\n}\n'
    )
