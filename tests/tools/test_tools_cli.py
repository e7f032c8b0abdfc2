"""The command line: exit codes, messages, forms of output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mintdsl.core.constraints import CONSTRAINTS
from mintdsl.core.inits import INITS
from mintdsl.core.kinds import KINDS
from mintdsl.core.steps import STEPS
from mintdsl.resources import resource
from mintdsl.tools import group
from mintdsl.tools.cli import cli

ROOT = Path(__file__).resolve().parents[2]
SMALL = "mintnet/mnist_small.mint"
UNKNOWN_NAME = (ROOT / "tests/programs/refused/unknown_name.mint").read_text(encoding="utf-8")
GOOD = """mint 1

layer Scale on Vec[D] ensures diag > 0, invertible {
  param t : scale with diag > 0

  map x -> t * x
}
"""
COMMANDS = (
    "check", "prove", "check-proof", "explain", "list", "build", "fmt", "new", "draw", "verify", "train", "sample",
    "demo",
)  # fmt: skip


def mint(*args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin)


def run(*args: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    env |= {"PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "mintdsl.tools.cli", *args]
    return subprocess.run(command, input=stdin, capture_output=True, env=env, check=False, timeout=120)


# ---------------------------------------------------------------- help


def test_help_names_every_command() -> None:
    result = mint("--help")
    assert result.exit_code == 0
    assert tuple(cli.commands) == COMMANDS
    for name in COMMANDS:
        line = next(x for x in result.output.splitlines() if x.startswith(f"  {name} "))
        assert "..." not in line, "the short help must fit"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of(name: str) -> None:
    result = mint(name, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"mint {name}" in result.output


def test_a_wrong_option_is_usage() -> None:
    assert mint("check", SMALL, "--nonsense").exit_code == 2
    assert mint("nonsense").exit_code == 2


# ---------------------------------------------------------------- check


def test_check_says_what_is_proved() -> None:
    result = mint("check", SMALL)
    assert result.exit_code == 0
    assert result.output == (
        "MnistSmall  proved: bijection of (-1e-06, 1)^784 onto R^784 | log_det exact | "
        "inverse iterative to a tested residual | 61,716 parameters (36,660 live)\n"
    )


def test_check_of_layers_says_class_order_and_diagonal() -> None:
    result = mint("check", "mintnet/mint.mint", "Mint")
    assert (
        "proved: tri triangular in channel_major (c, h, w), diagonal in [1e-12, inf) | bijection of R^D"
        in result.output
    )


def test_specs_are_found_by_both_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mint("check", SMALL).exit_code == 0
    assert mint("check", f"specs/{SMALL}").exit_code == 0
    assert mint("check", "mintnet/../../pyproject.toml").exit_code == 2
    result = mint("check", "mintnet/mnist_smal.mint")
    assert result.exit_code == 2 and "did you mean the packaged mintnet/mnist_small.mint?" in result.stderr


def test_injective_only_is_not_called_proved() -> None:
    text = "mint 1\nlayer S on Vec[D] ensures injective {\n  map x -> log(1 + exp(x)) + sigmoid(x)\n}\n"
    result = mint("check", "-", stdin=text)
    if result.exit_code == 0:
        assert "injective only: " in result.output and "proved: " not in result.output
    text = (
        "mint 1\nlayer S on Vec[D] ensures injective {\n  param W : linear strict lower\n  map x -> tanh(x) + W(x)\n}\n"
    )
    result = mint("check", "-", stdin=text)
    assert result.exit_code == 0
    assert "injective only: " in result.output
    assert "proved: " not in result.output


def test_sizes() -> None:
    assert "parameters" in mint("check", SMALL, "-D", "K=32").output
    huge = mint("check", SMALL, "-D", "K=1000000")
    assert huge.exit_code == 1
    assert "E0307" in huge.output and "nothing was allocated" in huge.output


@pytest.mark.parametrize("value", ["K", "K=", "K=x", "K=1.5", "K=-1", "=3", "Q=4", "K=" + "9" * 5000])
def test_bad_sizes_are_usage(value: str) -> None:
    result = mint("check", SMALL, "-D", value)
    assert result.exit_code == 2
    assert result.stderr.startswith("mint: -D ") and len(result.stderr) < 250


def test_names() -> None:
    assert mint("check", "mintnet/mint.mint", "--flow", "MintPair").exit_code == 0
    result = mint("check", "mintnet/mint.mint", "MintPar")
    assert result.exit_code == 2 and "did you mean MintPair?" in result.stderr
    assert mint("check", "mintnet/mint.mint", "Mint", "--flow", "MintPair").exit_code == 2


@pytest.mark.parametrize("command", ["check", "prove", "build", "draw", "verify"])
def test_files_that_cannot_be_read(command: str, tmp_path: Path) -> None:
    binary = tmp_path / "b.mint"
    binary.write_bytes(b"mint 1\n\0\xff")
    zero = tmp_path / "z.mint"
    zero.write_bytes(b"mint 1\n\0")
    for file in (str(tmp_path / "missing.mint"), str(tmp_path), str(binary), str(zero), "a\0b", "x" * 5000):
        result = mint(command, file)
        assert result.exit_code == 2, file
        assert result.stderr.startswith("mint: ") and result.stderr.count("\n") == 1


def test_diagnosed_files(tmp_path: Path) -> None:
    for text, code in (
        ("", "E0110"),
        ("mint 7\n", "E0111"),
        ("mint 1\n" + "x" * 2**20, "E01"),
        ("mint 1\nlayer", "E01"),
    ):
        path = tmp_path / "f.mint"
        path.write_text(text)
        result = mint("check", str(path), "--output", "concise")
        assert result.exit_code == 1
        assert code in result.output
        assert len(result.output) < 3000


def test_a_file_without_definitions() -> None:
    result = mint("check", "-", stdin="mint 1\n")
    assert result.exit_code == 0
    assert "nothing to prove" in result.output


def test_standard_input() -> None:
    assert mint("check", "-", stdin=GOOD).exit_code == 0
    assert mint("check", "-", stdin=UNKNOWN_NAME).exit_code == 1
    assert mint("check", "-", stdin=b"\xff\xfe\x00").exit_code == 2
    assert mint("check", "-", stdin=b"mint 1\n" + b" " * 2**21).exit_code == 2


def test_fix(tmp_path: Path) -> None:
    path = tmp_path / "unknown.mint"
    path.write_text(UNKNOWN_NAME)
    path.chmod(0o640)
    result = mint("check", str(path), "--fix")
    assert result.exit_code == 0
    assert "1 edit made" in result.output and "proved: " in result.output
    assert path.read_text() == UNKNOWN_NAME.replace("+ shfit", "+ shift")
    assert path.stat().st_mode & 0o777 == 0o640
    assert "no safe fix" in mint("check", str(path), "--fix").output
    assert mint("check", "-", "--fix", stdin=UNKNOWN_NAME).exit_code == 2


def test_fix_does_not_write_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mint("check", SMALL, "--fix").exit_code == 2


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "u.mint"
    path.write_text(UNKNOWN_NAME)
    result = mint("check", str(path), "--output", "json")
    assert result.exit_code == 1
    (found,) = [json.loads(line) for line in result.output.splitlines()]
    assert found["code"] == "E0201" and found["severity"] == "error" and found["file"] == str(path)
    start, end = found["range"]["start"], found["range"]["end"]
    assert UNKNOWN_NAME[start["offset"] : end["offset"]] == "shfit"
    assert UNKNOWN_NAME.splitlines()[start["line"] - 1][start["column"] - 1 :].startswith("shfit")
    assert found["fixes"][0]["edits"][0]["text"] == "shift"
    (good,) = [json.loads(line) for line in mint("check", SMALL, "--output", "json").output.splitlines()]
    assert good["bijection"] is True and good["parameters"] == {"stored": 61716, "live": 36660}


def test_every_refused_program_is_valid_json() -> None:
    for path in sorted((ROOT / "tests/programs/refused").glob("*.mint")):
        lines = mint("check", str(path), "--output", "json").output.splitlines()
        assert lines and all("code" in json.loads(line) for line in lines)


# ---------------------------------------------------------------- prove, explain, list


def test_prove() -> None:
    result = mint("prove", SMALL)
    assert result.exit_code == 0
    text = result.output
    assert text.index("layer Mint") < text.index("flow MintPair") < text.index("flow MnistSmall")
    assert "order channel_major (c, h, w)" in text
    assert text.index("u[j] =") < text.index("v[i] =") < text.index("t * x + sum[i]")
    assert "sign(P) = sign(A) sign(B)" in text
    assert "Not claimed" in text and "bound of the inverse" in text
    assert max(map(len, text.splitlines())) <= 120
    brief = mint("prove", SMALL, "--brief").output
    assert "Rules used" not in brief and "Not claimed" in brief


def test_prove_of_a_refused_program() -> None:
    result = mint("prove", "-", stdin="mint 1\nlayer S on Vec[D] ensures invertible {\n  map x -> tanh(x)\n}\n")
    assert result.exit_code == 1
    assert "NOT PROVED" in result.output and "E0602" in result.stderr


@pytest.mark.parametrize("width", ["60", "80", "100", "400"])
def test_proofs_fit(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    for path in sorted(resource("specs").glob("*/*.mint")):
        for line in mint("prove", str(path)).stdout.splitlines():
            assert len(line) <= max(int(width), 60) + 8 or line.lstrip().startswith("/"), line


@pytest.mark.parametrize(
    ("word", "says"),
    [("E0404", "signs are not tied"), ("i-tri", "hypotheses"), ("elu", "slope"), ("diag > 0", "kept by"),
     ("conv", "convolution"), ("xavier_normal", "deviation"), ("squeeze", "space to channels"), ("raster", "(h, w, c)"),
     ("softplus", "m + softplus(r)"), ("ode", "Picard"), ("clamped-log", "refused, E0701")],
)  # fmt: skip
def test_explain(word: str, says: str) -> None:
    result = mint("explain", word)
    assert result.exit_code == 0
    assert says in result.output


def test_explain_nothing() -> None:
    result = mint("explain", "E0405x")
    assert result.exit_code == 2 and "did you mean E0405" in result.stderr


@pytest.mark.parametrize("what", [
    "rules", "codes", "defects", "activations", "constraints", "parametrisations", "kinds", "inits", "steps", "orders",
    "specs",
])  # fmt: skip
def test_list(what: str) -> None:
    result = mint("list", what)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert len(lines) > 4 and max(map(len, lines)) <= 140
    if what in ("constraints", "kinds", "inits", "steps"):  # what is only read is marked
        registry = {
            "constraints": CONSTRAINTS,
            "kinds": KINDS.values(),
            "inits": INITS.values(),
            "steps": STEPS.values(),
        }
        assert ("not yet" in result.output) == any(not entry.ready for entry in registry[what])


def test_list_nothing() -> None:
    assert mint("list", "colours").exit_code == 2


# ---------------------------------------------------------------- build, fmt, new


def test_build(tmp_path: Path) -> None:
    out = tmp_path / "small.py"
    assert mint("build", SMALL, "-o", str(out)).exit_code == 0
    assert out.read_text() == mint("build", SMALL).output
    compile(out.read_text(), "small.py", "exec")
    assert mint("build", SMALL, "-o", str(out)).exit_code == 0
    out.write_text("mine = 1\n")
    result = mint("build", SMALL, "-o", str(out))
    assert result.exit_code == 2 and "--force" in result.stderr
    assert out.read_text() == "mine = 1\n"
    assert mint("build", SMALL, "-o", str(out), "--force").exit_code == 0
    assert mint("build", SMALL, "-o", str(tmp_path / "no" / "x.py")).exit_code == 2
    assert mint("build", "-", stdin=UNKNOWN_NAME).exit_code == 1


def test_fmt(tmp_path: Path) -> None:
    path = tmp_path / "f.mint"
    untidy = GOOD.replace("  param t ", "   param   t").replace("t * x", "t*x")
    path.write_text(untidy)
    assert mint("fmt", "--check", str(path)).exit_code == 1
    diff = mint("fmt", "--diff", str(path))
    assert diff.exit_code == 1 and "-  map x -> t*x" in diff.output
    assert path.read_text() == untidy
    assert mint("fmt", str(path)).exit_code == 0
    assert path.read_text() == GOOD
    assert mint("fmt", "--check", str(path)).exit_code == 0
    assert mint("fmt", str(path)).output == ""
    assert mint("fmt", "-", stdin=untidy).output == GOOD


def test_fmt_leaves_errors_alone(tmp_path: Path) -> None:
    path = tmp_path / "f.mint"
    path.write_text("mint 1\nlayer {\n")
    assert mint("fmt", str(path)).exit_code == 1
    assert path.read_text() == "mint 1\nlayer {\n"
    broken = 'mint 1\n\nimport "./missing.mint" { A }\n'
    path.write_text(broken)
    assert mint("fmt", str(path)).exit_code == 0, "imports are not the formatter's business"
    assert [p.name for p in tmp_path.iterdir()] == ["f.mint"]


def test_fmt_follows_links(tmp_path: Path) -> None:
    real, link = tmp_path / "real.mint", tmp_path / "link.mint"
    real.write_text(GOOD.replace("t * x", "t*x"))
    link.symlink_to(real)
    assert mint("fmt", str(link)).exit_code == 0
    assert link.is_symlink() and real.read_text() == GOOD


def test_new(tmp_path: Path) -> None:
    path = tmp_path / "mine.mint"
    assert mint("new", "mine", "-o", str(path)).exit_code == 0
    result = mint("check", str(path))
    assert result.exit_code == 0 and "Mine " in result.output
    assert mint("fmt", "--check", str(path)).exit_code == 0
    assert mint("new", "mine", "-o", str(path)).exit_code == 2
    for name in ("", "1x", "a b", "Image", "../x", "x" * 99):
        assert mint("new", name, "-o", str(tmp_path / "other.mint")).exit_code == 2, name
    assert not (tmp_path / "other.mint").exists()


# ---------------------------------------------------------------- verify


def test_verify_says_when_nothing_small_is_large_enough(tmp_path: Path) -> None:
    path = tmp_path / "wide.mint"
    head = "mint 1\nlayer W on Image[C, H, W] ensures invertible {\n"
    path.write_text(head + "  param V : conv 1x1 (rank = 100) with det != 0\n  map x -> V(x)\n}\n")
    result = mint("verify", str(path))
    assert result.exit_code == 2 and "no small shape fits W" in result.output and "fault of" not in result.output


def test_verify_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    import types
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Row:
        check: str
        where: str
        worst: float
        allowed: float
        ok: bool

    @dataclass(frozen=True)
    class Verification:
        rows: tuple[Row, ...]
        notes: tuple[str, ...] = ("left out: nothing",)

        @property
        def ok(self) -> bool:
            return all(r.ok for r in self.rows)

    seen: list[object] = []
    for ok in (True, False):
        fake = types.ModuleType("mintdsl.verify")

        def verify(program: object, name: str, sizes: object, seed: int, ok: bool = ok) -> Verification:
            seen.append((name, sizes, seed))
            return Verification((Row("log-det", "Mint_0", 1e-9, 1e-8, True), Row("inverse", "Mint_1", 1.0, 1e-8, ok)))

        fake.__dict__.update(verify=verify, NoShape=ValueError)
        monkeypatch.setitem(sys.modules, "mintdsl.verify", fake)
        result = mint("verify", SMALL, "-D", "K=16", "--seed", "3")
        assert result.exit_code == (0 if ok else 1)
        assert ("1 failed" in result.output) != ok
        assert ("FAILED" in result.output) != ok
        assert "note: left out: nothing" in result.output
    assert seen[0] == ("MnistSmall", {"K": 16}, 3)


# ---------------------------------------------------------------- the process


def test_check_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['mint', 'check', 'mintnet/mnist_small.mint']\n"
        "from mintdsl.tools.cli import main\n"
        "try: main()\nexcept SystemExit as stop: assert stop.code == 0\n"
        "names = 'torch pydantic networkx numpy PIL graphviz tqdm mintdsl.codegen'\n"
        "heavy = set(names.split()) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=60)


def test_exit_codes_of_the_process() -> None:
    assert run("check", SMALL).returncode == 0
    assert run("check", "-", stdin=UNKNOWN_NAME.encode()).returncode == 1
    missing = run("check", "missing.mint")
    assert missing.returncode == 2 and missing.stderr == b"mint: missing.mint: no such file\n"
    assert run("check").returncode == 2


def test_colours() -> None:
    stdin = UNKNOWN_NAME.encode()
    assert b"\x1b[" not in run("check", "-", stdin=stdin).stdout
    assert b"\x1b[" in run("check", "-", stdin=stdin, FORCE_COLOR="1").stdout
    assert b"\x1b[" not in run("check", "-", stdin=stdin, FORCE_COLOR="1", NO_COLOR="1").stdout
    assert b"\x1b[" in run("prove", "mintnet/mint.mint", FORCE_COLOR="1").stdout


def test_a_terminal_without_unicode() -> None:
    result = run("prove", "mintnet/mint.mint", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stdout.isascii() and b"+ " in result.stdout


def test_a_reader_that_leaves() -> None:
    command = f"{sys.executable} -m mintdsl.tools.cli prove mintnet/mnist_small.mint | head -1; echo ${{PIPESTATUS[0]}}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    result = subprocess.run(["bash", "-c", command], capture_output=True, env=env, check=True, timeout=60)
    assert result.stderr == b""
    assert result.stdout.splitlines()[-1] in (b"0", b"141")


def test_internal_errors_ask_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    from mintdsl.proof import prover

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr(prover, "check_layer", broken)
    result = mint("check", SMALL)
    assert result.exit_code == 3
    assert "internal error in proof: ZeroDivisionError: a slip" in result.stderr
    assert "report" in result.stderr and "Traceback" not in result.stderr
    monkeypatch.setenv("MINTDSL_TRACEBACK", "1")
    assert "Traceback" in mint("check", SMALL).stderr


def test_stages_have_words() -> None:
    folders = {p.name for p in (ROOT / "mintdsl").iterdir() if p.is_dir() and p.name not in ("__pycache__", "interop")}
    assert folders <= set(group.STAGES)
