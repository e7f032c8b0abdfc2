"""Finding, checking and loading a data set."""

from __future__ import annotations

import difflib
import hashlib
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from mintdsl.data.errors import ChecksumError, DataNotFound, MalformedFile, UnknownDataset
from mintdsl.data.formats import FORMATS, Content
from mintdsl.data.registry import REGISTRY, DatasetInfo, FileInfo

SPLITS = ("train", "test")


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images and labels of one split.

    images: uint8 [N, C, H, W], grey levels 0 to 255. labels: int64 [N], indices into `classes`.
    `licence` and `source` are what to state wherever the images are shown.
    """

    images: torch.Tensor
    labels: torch.Tensor
    name: str
    licence: str
    source: str
    classes: tuple[str, ...]


def cache_folder() -> Path:
    """Where data are kept: $MINTDSL_DATA, else $XDG_CACHE_HOME/mintdsl, else ~/.cache/mintdsl."""
    if chosen := os.environ.get("MINTDSL_DATA"):
        return Path(chosen).expanduser()
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache).expanduser() / "mintdsl"
    return Path.home() / ".cache" / "mintdsl"


def info(name: str) -> DatasetInfo:
    """The registry's entry for `name`; raises UnknownDataset, which names the nearest ones."""
    if name in REGISTRY:
        return REGISTRY[name]
    near = difflib.get_close_matches(name.lower(), REGISTRY, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownDataset(f"There is no data set {name!r}; there are {', '.join(map(repr, REGISTRY))}.{hint}")


def load(name: str, split: str = "train", *, root: str | Path | None = None) -> Dataset:
    """Load split "train" or "test" of the data set `name` ("mnist", "fashion-mnist", "cifar10", "embedded").

    `root` is a folder that holds the files, or one in torchvision's layout; by default the cache
    folder (see `cache_folder`). "embedded" comes with mintdsl and needs no folder. Contents are
    verified by checksum.

    Raises UnknownDataset, DataNotFound (which says how to get the files), MalformedFile or
    ChecksumError (which name the file).
    """
    return read(info(name), split, root)


def read(entry: DatasetInfo, split: str, root: str | Path | None = None) -> Dataset:
    """As `load`, for an entry that need not be in the registry."""
    if split not in SPLITS:
        raise UnknownDataset(f"There is no split {split!r}; there are 'train' and 'test'.")
    files, form = entry.files(split), FORMATS[entry.format]
    raw = _packaged(files) if entry.packaged else _in_folders(entry, files, root)
    contents = [Content(where, form.content(where, data)) for where, data in raw]
    # Parsed before verified: "truncated" helps more than "wrong checksum".
    images, labels = form.parse(contents, entry.shape)
    for file, content in zip(files, contents, strict=True):
        verify(entry, file, content)
    if labels.size and int(labels.max()) >= len(entry.classes):
        raise MalformedFile(
            f"{contents[-1].where}: label {labels.max()}, but {entry.title} has {len(entry.classes)} classes."
        )
    return Dataset(
        # Copied: the arrays view read-only bytes, and tensors are writable.
        images=torch.from_numpy(images.copy()),
        labels=torch.from_numpy(labels.astype(np.int64)),
        name=entry.name,
        licence=entry.licence,
        source=entry.source,
        classes=entry.classes,
    )


def verify(entry: DatasetInfo, file: FileInfo, content: Content) -> None:
    """Raise ChecksumError unless `content` is the contents that `file` should have."""
    # Identity, not security: these are the digests that the data sets' authors and users publish.
    found = hashlib.new(file.algorithm, content.data, usedforsecurity=False).hexdigest()
    if found != file.checksum:
        raise ChecksumError(
            f"{content.where}: these are not the contents of {entry.title}'s {file.name}: "
            f"expected {file.algorithm} {file.checksum}, found {found}."
        )


def _packaged(files: Sequence[FileInfo]) -> list[tuple[str, bytes]]:
    folder = resources.files("mintdsl.data") / "embedded"
    try:
        return [(f"{file.name}.gz", (folder / f"{file.name}.gz").read_bytes()) for file in files]
    except FileNotFoundError as error:
        raise DataNotFound(f"mintdsl is not completely installed: {error.filename} is missing.") from None


def _in_folders(entry: DatasetInfo, files: Sequence[FileInfo], root: str | Path | None) -> list[tuple[str, bytes]]:
    base = cache_folder() if root is None else Path(root).expanduser()
    places = [base / folder for folder in entry.folders]
    if root is None:
        places += [Path(folder) for folder in entry.system]
    for place in places:
        paths = [_find(entry, place, file) for file in files]
        found = [path for path in paths if path is not None]
        if len(found) == len(files):
            return [(str(path), _bytes(path)) for path in found]
    raise DataNotFound(_not_found(entry, files, base, places))


def _find(entry: DatasetInfo, place: Path, file: FileInfo) -> Path | None:
    paths = (place / name for name in FORMATS[entry.format].names(file.name))
    return next((path for path in paths if path.is_file()), None)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataNotFound(f"{path} cannot be read: {error.strerror}.") from None


def _not_found(entry: DatasetInfo, files: Sequence[FileInfo], base: Path, places: Sequence[Path]) -> str:
    missing = {place: [file.name for file in files if _find(entry, place, file) is None] for place in places}
    lines = [f"{entry.title} was not found in {base}."]
    lines += ["Looked in:"]
    for place, names in missing.items():
        absent = "no such folder" if not place.is_dir() else f"without {', '.join(names)}"
        lines += [f"  {place} ({absent})"]
    also = ", also as .gz" if entry.format == "idx" else ", or the same without .bin as Python batches"
    lines += [f"Expected files: {', '.join(file.name for file in files)}{also}.", "To obtain them:"]
    lines += [f"  {line}" for line in commands(entry, base)]
    return "\n".join(lines)


def commands(entry: DatasetInfo, base: Path) -> list[str]:
    """Shell lines, each of which puts the data set into the folder `base`; the first does it by `fetch`."""
    call = f"from mintdsl.data import fetch; fetch({entry.name!r}, {str(base)!r})"
    lines = [f"python -c {_quoted(call)}"]
    target = shlex.quote(str(base / entry.folders[0]))
    for route in entry.routes:
        get = shlex.join(route.command)
        if route.unpack == "tar":
            strip = len(Path(route.members).parts)
            put = f"tar -xzf {route.archive} -C {target} --strip-components={strip} {route.members}"
            lines += [f"mkdir -p {target} && {get} && {put}"]
        elif route.unpack == "deb":
            put = f"dpkg-deb -x {route.archive} unpacked && cp unpacked/{route.members}/* {target}"
            lines += [f"mkdir -p {target} && {get} && {put}"]
        else:
            call = f"from mintdsl.data import fetch; fetch({entry.name!r}, {str(base)!r}, archive={route.archive!r})"
            lines += [f"{get} && python -c {_quoted(call)}"]
    return lines


def _quoted(code: str) -> str:
    """Python code as one word of the shell; in double quotes where it can be, which people can read."""
    return shlex.quote(code) if any(char in code for char in '"$`\\!') else f'"{code}"'
