"""Makes the embedded data set from Fashion-MNIST: `python -m mintdsl.data.embed [FOLDER]`.

512 training images and 128 of the test set. The choice has no randomness: class by class in turn,
each time the next image of that class in the file's order. Any first n images are thus balanced
between the classes to within one.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import torch

from mintdsl.data.formats import idx_bytes
from mintdsl.data.loading import Dataset, load
from mintdsl.data.registry import REGISTRY

COUNTS = {"train": 512, "test": 128}


def choose(labels: torch.Tensor, count: int, classes: int) -> torch.Tensor:
    """Indices int64 [count] into `labels` int64 [N], classes in turn; raises ValueError where N is too small."""
    queues = [iter(torch.nonzero(labels == label).flatten().tolist()) for label in range(classes)]
    try:
        return torch.tensor([next(queues[position % classes]) for position in range(count)])
    except StopIteration:
        raise ValueError(f"Too few images to choose {count} in {classes} balanced classes.") from None


def chosen(data: Dataset, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The images uint8 [count, C, H, W] and labels int64 [count] that are embedded of `data`."""
    index = choose(data.labels, count, len(data.classes))
    return data.images[index], data.labels[index]


def main(folder: Path) -> None:
    """Write the four gzipped IDX files into `folder`, and print the registry's checksums."""
    for split, count in COUNTS.items():
        images, labels = chosen(load("fashion-mnist", split), count)
        arrays = (images[:, 0].numpy(), labels.to(torch.uint8).numpy())
        for file, array in zip(REGISTRY["embedded"].files(split), arrays, strict=True):
            data = idx_bytes(array)
            # mtime=0: the same images give the same file.
            (folder / f"{file.name}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
            print(file.name, hashlib.md5(data, usedforsecurity=False).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "embedded")
