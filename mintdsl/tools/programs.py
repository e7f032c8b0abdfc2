"""What the command line works on: the program that FILE names, the definitions asked for, and their sizes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from mintdsl.core import ir
from mintdsl.driver import MAX_BYTES, FileProblem, Program, load, loads
from mintdsl.resources import resource
from mintdsl.syntax.suggest import suggest

STDIN = "<stdin>"


class Usage(click.ClickException):
    """A command that cannot be carried out as it was given."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """One line on standard error."""
        del file
        click.echo(f"mint: {self.message}", err=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """A loaded program, the definition asked for (None: all of the file) and the sizes given."""

    program: Program
    name: str | None
    sizes: Mapping[str, int]

    @property
    def target(self) -> str | None:
        """The definition to build or draw: the one asked for, else the last of the file."""
        if self.name is not None:
            return self.name
        core, _ = self.program.core()
        return core.main[-1].rpartition("::")[2] if core.main else None


def open_program(file: str) -> Program:
    """The program in `file`: `-` is standard input, a missing path may name a packaged spec."""
    if file == "-":
        return loads(_standard_input(), STDIN)
    return load(locate(file))


def locate(file: str) -> Path:
    """The path that `file` means; raises FileProblem when there is none."""
    path = Path(file)
    library = resource("specs").resolve()
    try:
        if path.exists():
            return path
        for name in (file, file.removeprefix("specs/")):
            packaged = (library / name).resolve()
            if packaged.is_relative_to(library) and packaged.is_file():
                return _short(packaged)
    except (OSError, ValueError) as error:
        raise FileProblem(f"{file[:200]}: {getattr(error, 'strerror', None) or 'not a path'}") from None
    names = [p.relative_to(library).as_posix() for p in sorted(library.glob("*/*.mint"))]
    close = suggest(file.removeprefix("specs/"), names)
    raise FileProblem(f"{file}: no such file" + (f"; did you mean the packaged {close[0]}?" if close else ""))


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _standard_input() -> str:
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise FileProblem(f"standard input is larger than {MAX_BYTES // 2**20} MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileProblem(f"standard input is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise FileProblem("standard input is binary")
    return text


def ask(file: str, name: str | None, option: str | None, defines: tuple[str, ...]) -> Asked:
    """The program with the definition and sizes of the command line; Usage for names that it does not have."""
    if name and option and name != option:
        raise Usage(f"two names are given: {name} and {option}")
    sizes = _sizes(defines)
    program = open_program(file)
    chosen = name or option
    core, found = program.core()
    if not found.has_errors:
        _known(core, chosen, sizes)
    return Asked(program, chosen, sizes)


def _sizes(defines: tuple[str, ...]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for text in defines:
        match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=\s*(\d{1,18})\s*", text, re.ASCII)
        if match is None:
            raise Usage(f"-D {text[:80]}: write NAME=NUMBER with a whole number, for example -D K=4")
        if match[1] in sizes:
            raise Usage(f"-D {match[1]} is given twice")
        sizes[match[1]] = int(match[2])
    return sizes


def _known(core: ir.Program, name: str | None, sizes: Mapping[str, int]) -> None:
    keys = core.main
    if name is not None:
        key = core.find(name)
        if key is None:
            names = [k.rpartition("::")[2] for k in core.definitions]
            close = suggest(name, names)
            hint = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(names) or 'none'}"
            raise Usage(f"no layer or flow {name} in this file{hint}")
        keys = (key,)
    known = [f.name for key in keys for f in core.definitions[key].formals if f.type == "Nat"]
    for size in sizes:
        if size not in known:
            there = f"there is {', '.join(dict.fromkeys(known))}" if known else "it has none"
            raise Usage(f"-D {size}: no size of {name or 'this file'}; {there}")


def is_generated(path: Path) -> bool:
    """Whether the file starts as the modules that mintdsl writes."""
    with path.open("rb") as file:
        head = file.readline(400)
    return head.startswith(b'"""') and b", generated by mintdsl " in head


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` into `path`, all or nothing; links are followed, the mode of an existing file is kept."""
    import tempfile

    target = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
