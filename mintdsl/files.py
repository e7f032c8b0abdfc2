"""The files of a program: read, parsed, and their imports resolved; the only file below `tools` that reads any."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mintdsl import limits
from mintdsl.core.scope import shortened
from mintdsl.diagnostics.model import Bag
from mintdsl.resources import resource
from mintdsl.source import Source
from mintdsl.syntax import ast
from mintdsl.syntax.parse import parse


class FileProblem(Exception):
    """A program that cannot be read at all: missing, a directory, not text."""


def _read(path: str | Path, shown: str, *, regular: bool) -> str:
    """The text of a file, called `shown` in messages; `regular` refuses pipes and devices, which may never end."""
    try:
        handle = os.open(path, os.O_RDONLY | (getattr(os, "O_NONBLOCK", 0) if regular else 0))
    except FileNotFoundError:
        raise FileProblem(f"{shown}: no such file") from None
    except (OSError, ValueError) as error:
        raise FileProblem(f"{shown}: {getattr(error, 'strerror', None) or 'not a path'}") from None
    try:
        kind = os.fstat(handle)
        if stat.S_ISDIR(kind.st_mode):
            raise FileProblem(f"{shown} is a folder; give a .mint file")
        if regular and not stat.S_ISREG(kind.st_mode):
            raise FileProblem(f"{shown} is a pipe or a device, not a file")
        with os.fdopen(os.dup(handle), "rb") as file:
            data = file.read(limits.FILE.most + 1)
    except OSError as error:
        raise FileProblem(f"{shown}: {error.strerror}") from None
    finally:
        os.close(handle)
    return as_text(data, shown)


def as_text(data: bytes, shown: str) -> str:
    """The text in the bytes of a file, of which at most one more than allowed was read."""
    if len(data) > limits.FILE.most:
        raise FileProblem(f"{shown} has more than {limits.FILE.shown} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileProblem(f"{shown} is not UTF-8 text (byte {error.start})") from None
    if "\0" in text:
        raise FileProblem(f"{shown} is a binary file")
    return text


# ---------------------------------------------------------------- imports


class Loaded(NamedTuple):
    """The files of a program: `resolved` maps (importing file, import path) to the imported file."""

    sources: dict[str, Source]
    modules: dict[str, ast.Module]
    resolved: dict[tuple[str, str], str]
    found: Bag


def load_path(path: str | Path) -> Loaded:
    """The file at `path` and all that it imports. Raises FileProblem when it cannot be read."""
    text = _read(path, str(path), regular=False)
    try:
        folder = Path(path).resolve().parent
    except (OSError, RuntimeError) as error:
        raise FileProblem(f"{path}: {error}") from None
    return _loaded(text, str(path), folder)


def load_text(text: str, file: str) -> Loaded:
    """A program from its text, which is called `file`, and all that it imports; the current folder is its root."""
    return _loaded(text, file, Path.cwd().resolve())


def _loaded(text: str, file: str, root: Path) -> Loaded:
    loaded = Loaded({}, {}, {}, Bag())
    _Loader(file, loaded, root, resource("specs").resolve()).run(text, root)
    return loaded


@dataclass(slots=True)
class _Loader:
    main: str
    loaded: Loaded
    root: Path
    library: Path
    by_path: dict[Path, str] = field(default_factory=dict)
    chain: dict[str, None] = field(default_factory=dict)  # the files whose imports are being loaded
    tokens: int = 0

    def run(self, text: str, folder: Path) -> None:
        """Load the main file and, depth first, all that it imports."""
        own = self._add(self.main, text)
        path = [(self.main, folder, own)] if own is not None else []
        while path:
            file, folder, imports = path[-1]
            item = next(imports, None)
            if item is None:
                path.pop()
                del self.chain[file]
                continue
            found = self._import(file, item, folder)
            if found is not None:
                shown, place, text = found
                inner = self._add(shown, text, item)
                if inner is not None:
                    self.by_path[place] = self.loaded.resolved[(file, item.path)] = shown
                    path.append((shown, place.parent, inner))

    def _add(self, file: str, text: str, item: ast.Import | None = None) -> Iterator[ast.Import] | None:
        """Parse a file, which `item` imports; its own imports, or None if the program is too large with it."""
        source = Source(file, text)
        module, diagnostics = parse(source)
        if item is not None and self.tokens + module.tokens > limits.TOKENS.most:
            label = f"more than {limits.TOKENS.shown} words, numbers, signs and comments with this file"
            self.loaded.found.error("E0107", item.path_span, "the program is too large", label)
            return None
        self.tokens += module.tokens
        self.loaded.sources[file] = source
        self.loaded.modules[file] = module
        self.loaded.found.extend(diagnostics)
        self.chain[file] = None
        return iter([item for item in module.items if isinstance(item, ast.Import)])

    def _import(self, file: str, item: ast.Import, folder: Path) -> tuple[str, Path, str] | None:
        """Resolve an import; the name, place and text of a file that was not loaded yet."""
        bag = self.loaded.found
        relative = item.path.startswith(("./", "../"))
        inside = folder.is_relative_to(self.library)
        root = self.library if inside or not relative else self.root
        if "\\" in item.path:
            self._missing(item, relative, "a path has `/` between its folders, on every system")
            return None
        try:
            path = ((folder if relative else self.library) / item.path).resolve()
        except (OSError, ValueError, RuntimeError):
            self._missing(item, relative, "not a path")
            return None
        if not path.is_relative_to(root) or Path(item.path).is_absolute():
            bag.error(
                "E0205",
                item.path_span,
                f'the import "{item.path}" leaves the {"program" if relative else "packaged library"}',
                "a relative import stays below the root of the program" if relative else "not below specs/",
                notes=("a path that starts with ./ or ../ is relative; any other names a file of the packaged specs",),
            )
            return None
        known = self.by_path.get(path)
        shown = known or self._shown(path)
        if shown in self.chain:
            chain = list(self.chain)
            cycle = " -> ".join(shortened([*chain[chain.index(shown) :], shown]))
            bag.error("E0203", item.path_span, f"files import each other: {cycle}", "closes the circle")
            return None
        if known is not None:
            self.loaded.resolved[(file, item.path)] = known
            return None
        if len(self.by_path) + 1 >= limits.FILES.most:
            bag.error("E0205", item.path_span, f"a program has at most {limits.FILES.shown} files", "one too many")
            return None
        try:
            if path.suffix != ".mint":
                raise FileProblem("not a .mint file")
            text = _read(path, "it", regular=True)
        except FileProblem as problem:
            self._missing(item, relative, str(problem).removeprefix("it: "))
            return None
        return shown, path, text

    def _shown(self, path: Path) -> str:
        if path.is_relative_to(self.library):
            return path.relative_to(self.library).as_posix()
        main = Path(self.main)
        return (
            (main.parent / path.relative_to(self.root)).as_posix()
            if main.name != "<text>"
            else path.relative_to(self.root).as_posix()
        )

    def _missing(self, item: ast.Import, relative: bool, problem: str) -> None:
        from mintdsl.syntax.suggest import meant, others, suggest

        close: tuple[str, ...] = ()
        if not relative and self.loaded.found.hint():
            names = (p.relative_to(self.library).as_posix() for p in sorted(self.library.glob("*/*.mint")))
            close = suggest(item.path, names)
        asked = item.path if len(item.path) <= 120 else f"{item.path[:100]}..."
        title = f'cannot import "{asked}"' + (f'; did you mean "{close[0]}"?' if close else "")
        fixes = meant(item.path_span, close, quote='"')
        self.loaded.found.error("E0202", item.path_span, title, problem, notes=others(close), fixes=fixes)
