"""Files that are no programs, and imports that lead out of one: each is a message, none hangs, none is read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import mintdsl
from mintdsl import limits
from mintdsl.diagnostics.render import concise, render
from mintdsl.driver import FileProblem, Report
from mintdsl.tools.forms import FORMS
from mintdsl.tools.programs import Asked

ROOT = Path(__file__).parents[2]
LAYER = "layer A on Vec[D] ensures invertible { map x -> x }\n"


def importing(folder: Path, path: str) -> Report:
    """What is found in a program in `folder` that imports `path`; every form of the messages can be written."""
    main = folder / "main.mint"
    main.write_text(f'mint 1\nimport "{path}" {{ A }}\nflow F on Vec[2] {{ A }}\n', encoding="utf-8")
    program = mintdsl.load(main)
    report = program.check()
    render(report.diagnostics, report.sources, color=True, width=80)
    concise(report.diagnostics, report.sources)
    for form in ("text", "concise", "json"):
        assert all("secret" not in line for line in FORMS[form](Asked(program, None, {}), report))
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a program, beside one with a file that it must not read."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.mint").write_text("mint 1\n## secret\n" + LAYER, encoding="utf-8")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "good.mint").write_text("mint 1\n" + LAYER, encoding="utf-8")
    return inside


def test_a_file_beside(folder: Path) -> None:
    assert importing(folder, "./good.mint").ok
    assert importing(folder, "./x/../good.mint").ok
    assert importing(folder, "../inside/good.mint").ok  # leaves the folder and comes back to it


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside/a.mint", "E0205"),
        ("./../outside/a.mint", "E0205"),
        ("./x/../../outside/a.mint", "E0205"),
        ("{outside}/a.mint", "E0205"),
        ("../../../../../../../../../../etc/passwd", "E0205"),
        ("/dev/zero", "E0205"),
        ("~/a.mint", "E0202"),
        ("$HOME/a.mint", "E0202"),
        ("file://{outside}/a.mint", "E0202"),
        ("file:///etc/passwd", "E0202"),
        ("https://example.org/a.mint", "E0202"),
        ("..\\outside\\a.mint", "E0202"),
        (".\\good.mint", "E0202"),
        ("C:\\a.mint", "E0202"),
        ("C:/a.mint", "E0202"),
        ("//server/share/a.mint", "E0205"),
        ("./%2e%2e/outside/a.mint", "E0202"),
        ("./GOOD.MINT", "E0202"),
        ("./good", "E0202"),
        ("./none.mint", "E0202"),
        ("./main.mint", "E0203"),
        ("./", "E0202"),
        (".", "E0202"),
        ("", "E0202"),
        (" ", "E0202"),
        ("./" + "a" * 300 + ".mint", "E0202"),
        ("./" + "a/" * 10_000 + "b.mint", "E0202"),
        ("a" * 500_000, "E0202"),
        ("./\u202etnim.mint", "E0202"),
        ("./a\x1b[2J.mint", "E0202"),
        ("mintnet/../../README.md", "E0205"),
        ("mintnet/mnt.mint", "E0202"),
    ],
    ids=range(32),
)
def test_paths(folder: Path, path: str, code: str) -> None:
    report = importing(folder, path.replace("{outside}", str(folder.parent / "outside")))
    found = [d.code for d in report.diagnostics]
    if code == "E0202" and path == "./GOOD.MINT" and (folder / "GOOD.MINT").exists():
        pytest.skip("names of files have no case here")
    assert found == [code]
    assert all(len(d.title) < 300 for d in report.diagnostics)


def test_a_null_character(folder: Path) -> None:
    text = 'mint 1\nimport "./a\0b.mint" { A }\n'
    assert [d.code for d in mintdsl.loads(text).check().diagnostics] == ["E0202"]
    (folder / "null.mint").write_bytes(b"mint 1\n\0")
    assert [d.code for d in importing(folder, "./null.mint").diagnostics] == ["E0202"]
    for path in ("a\0b.mint", folder / "null.mint"):
        with pytest.raises(FileProblem):
            mintdsl.load(path)


@pytest.mark.parametrize("where", ["../outside/a.mint", "/dev/zero", "/etc/passwd", "link.mint"])
def test_links(folder: Path, where: str) -> None:
    """Links are followed: one that leaves the root, or leads to itself, is no import."""
    (folder / "link.mint").symlink_to(where)
    report = importing(folder, "./link.mint")
    assert [d.code for d in report.diagnostics] == ["E0202" if where == "link.mint" else "E0205"]
    if where == "link.mint":
        with pytest.raises(FileProblem):
            mintdsl.load(folder / "link.mint")


def test_a_link_inside(folder: Path) -> None:
    (folder / "link.mint").symlink_to("good.mint")
    assert importing(folder, "./link.mint").ok
    (folder / "sub").symlink_to("../outside")
    assert [d.code for d in importing(folder, "./sub/a.mint").diagnostics] == ["E0205"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_what_is_no_regular_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe.mint")
    (folder / "folder.mint").mkdir()
    kinds = ["pipe.mint", "folder.mint"]
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)  # paths of sockets are short
        try:
            server.bind("socket.mint")
        finally:
            os.chdir(here)
        for name in [*kinds, "socket.mint"]:
            assert [d.code for d in importing(folder, f"./{name}").diagnostics] == ["E0202"], name


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")
def test_a_main_file_without_end() -> None:
    """The main file may be a pipe, as `mint check <(...)` gives one; it is read up to the limit."""
    with pytest.raises(FileProblem, match="2,000,000 bytes"):
        mintdsl.load("/dev/zero")
    with pytest.raises(FileProblem, match="folder"):
        mintdsl.load("/dev")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_as_main_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mint"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "mintdsl.tools.cli", "check", str(pipe)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        pipe.write_text("mint 1\n" + LAYER, encoding="utf-8")
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("A  proved")


def test_what_is_no_text(folder: Path) -> None:
    (folder / "latin.mint").write_bytes("mint 1\n# caf\u00e9\n".encode("latin-1"))
    (folder / "utf16.mint").write_bytes(("mint 1\n" + LAYER).encode("utf-16"))
    (folder / "surrogate.mint").write_bytes(b"mint 1\n# \xed\xa0\x80\n")
    (folder / "large.mint").write_bytes(b"mint 1\n" + b" " * limits.FILE.most)
    for name in ("latin", "utf16", "surrogate", "large"):
        assert [d.code for d in importing(folder, f"./{name}.mint").diagnostics] == ["E0202"], name
        with pytest.raises(FileProblem):
            mintdsl.load(folder / f"{name}.mint")


def test_a_byte_order_mark(folder: Path) -> None:
    (folder / "bom.mint").write_bytes(b"\xef\xbb\xbf" + f"mint 1\n{LAYER}".encode())
    assert importing(folder, "./bom.mint").ok
    assert mintdsl.load(folder / "bom.mint").check().ok


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything can be read here")
def test_what_cannot_be_read(folder: Path) -> None:
    (folder / "good.mint").chmod(0)
    assert [d.code for d in importing(folder, "./good.mint").diagnostics] == ["E0202"]
    with pytest.raises(FileProblem):
        mintdsl.load(folder / "good.mint")


def test_a_long_line_of_imports(tmp_path: Path) -> None:
    """600 files, each imports the next: no recursion; the last imports the first: a circle."""
    for k in range(600):
        text = f'mint 1\nimport "./f{k + 1}.mint" {{ c{k + 1} }}\nconst c{k} = c{k + 1} + 1\n'
        (tmp_path / f"f{k}.mint").write_text(text, encoding="utf-8")
    (tmp_path / "f600.mint").write_text("mint 1\nconst c600 = 1\n", encoding="utf-8")
    report = mintdsl.load(tmp_path / "f0.mint").check()
    assert report.ok and len(report.sources) == 601
    (tmp_path / "f600.mint").write_text('mint 1\nimport "./f0.mint" { c0 }\nconst c600 = 1\n', encoding="utf-8")
    found = mintdsl.load(tmp_path / "f0.mint").check().diagnostics
    assert [d.code for d in found] == ["E0203"]
    assert len(found[0].title) < 2_000


def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    """A file whose name is not UTF-8: its messages can be written in every form."""
    name = os.fsdecode(b"caf\xe9.mint")
    try:
        (tmp_path / name).write_text("mint 1\nflow F on Vec[2] { A }\n", encoding="utf-8")
    except (OSError, UnicodeError):
        pytest.skip("names of files are text here")
    for form in ("text", "concise", "json"):
        command = [sys.executable, "-m", "mintdsl.tools.cli", "check", "--output", form, str(tmp_path / name)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 1, done.stderr
        assert b"E0201" in done.stdout and not done.stderr
