"""File formats of image data: IDX (MNIST and its relatives) and CIFAR's records.

Each format turns a file's bytes into canonical contents, over which the checksum is taken, and
canonical contents into arrays. Nothing in a file is ever executed: CIFAR's pickled batches are read
by an unpickler that knows only the few names they need.
"""

from __future__ import annotations

import gzip
import io
import math
import pickle
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mintdsl.data.errors import MalformedFile
from mintdsl.data.registry import FormatName

Bytes = npt.NDArray[np.uint8]

# Far above any data set of this kind: a damaged header must not make us ask for all memory.
_MAX_BYTES = 1 << 31


@dataclass(frozen=True, slots=True)
class Content:
    """The canonical contents of the file shown to the user as `where`."""

    where: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is read.

    `names`: the names under which a file of a given registry name may lie in a folder.
    `content`: (where, raw bytes) to canonical bytes.
    `parse`: contents of one split and the image shape to images [N, C, H, W] and labels [N], uint8.
    """

    names: Callable[[str], tuple[str, ...]]
    content: Callable[[str, bytes], bytes]
    parse: Callable[[Sequence[Content], tuple[int, int, int]], tuple[Bytes, Bytes]]


def _idx_names(name: str) -> tuple[str, ...]:
    dotted = name.replace("-idx", ".idx")
    return (name, f"{name}.gz", dotted, f"{dotted}.gz")


def _idx_content(where: str, raw: bytes) -> bytes:
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            data = file.read(_MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedFile(f"{where}: the gzip file is damaged or truncated ({error}).") from None
    return data


def idx_array(content: Content, dimensions: int) -> Bytes:
    """The array of unsigned bytes in an IDX file that must have `dimensions` axes.

    Raises MalformedFile where the header is not that of such a file or the length does not fit it.
    """
    where, data = content.where, content.data
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise MalformedFile(
            f"{where}: truncated; an IDX header of {dimensions} dimensions has {header} bytes, the file {len(data)}."
        )
    expected = bytes((0, 0, 8, dimensions))
    if data[:4] != expected:
        raise MalformedFile(
            f"{where}: not an IDX file of unsigned bytes in {dimensions} dimensions; "
            f"it starts with {data[:4].hex(' ')}, expected {expected.hex(' ')}."
        )
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", data[4:header])
    length = header + math.prod(shape)
    if len(data) != length:
        fault = "truncated" if len(data) < length else "too long"
        sides = " x ".join(str(side) for side in shape)
        raise MalformedFile(f"{where}: {fault}; its header promises {sides} = {length} bytes, it has {len(data)}.")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def idx_bytes(array: Bytes) -> bytes:
    """The IDX file that holds `array`, of unsigned bytes and any shape."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def _idx_parse(contents: Sequence[Content], shape: tuple[int, int, int]) -> tuple[Bytes, Bytes]:
    image_file, label_file = contents
    images, labels = idx_array(image_file, 3), idx_array(label_file, 1)
    channels, height, width = shape
    if images.shape[1:] != (height, width):
        raise MalformedFile(
            f"{image_file.where}: images of {images.shape[1]} x {images.shape[2]}, expected {height} x {width}."
        )
    if len(images) != len(labels):
        raise MalformedFile(f"{label_file.where}: {len(labels)} labels for {len(images)} images.")
    return images.reshape(-1, channels, height, width), labels


class _Fixed(type):
    """Metaclass of the stand-ins: a pickle may set attributes of what it names, but not of these."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError("it changes a class")


class _Codec(metaclass=_Fixed):
    """Stands for `_codecs.encode`: how newer Pythons wrote bytes into old pickles."""

    def __new__(cls, text: object, encoding: object = "latin1") -> bytes:  # type: ignore[misc]
        name = encoding.decode("latin1") if isinstance(encoding, bytes) else encoding
        if not isinstance(text, str) or name not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError("only latin1 text may be encoded")
        return text.encode("latin1")


class _Dtype(metaclass=_Fixed):
    """Stands for `numpy.dtype`."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment: of no consequence for single bytes."""


class _Array(metaclass=_Fixed):
    """Stands for a `numpy.ndarray`: keeps its shape and bytes without calling NumPy's own hooks."""

    def __init__(self, *_: object) -> None:
        self.array: Bytes | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), (int() as rows, int() as columns), _Dtype(code="u1" | b"u1"), False | 0, bytes() as data):
                if rows * columns != len(data):
                    raise pickle.UnpicklingError("the array's shape does not fit its data")
                self.array = np.frombuffer(data, np.uint8).reshape(rows, columns)
            case _:
                raise pickle.UnpicklingError("an array that is not of bytes in rows")


class _Marker(metaclass=_Fixed):
    """Stands for `numpy.ndarray` where it is only named."""

    def __init__(self) -> None:
        raise pickle.UnpicklingError("arrays are made by _reconstruct only")


_ALLOWED: MappingProxyType[tuple[str, str], type] = MappingProxyType(
    {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Marker,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _Codec,
    }
)


# The unpickler in Python, not the one in C: a damaged memo index makes the latter allocate gigabytes.
class _BatchUnpickler(pickle._Unpickler):
    """Reads plain containers, and for the names in `_ALLOWED` builds the stand-ins above."""

    def find_class(self, module: str, name: str) -> type:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no CIFAR batch needs") from None


# What the unpickler raises on damaged input, beside its own error.
_DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
    struct.error,
)


def _cifar_names(name: str) -> tuple[str, ...]:
    return (name, name.removesuffix(".bin"))


def _cifar_content(where: str, raw: bytes) -> bytes:
    # A record starts with its label, 0 to 9, and every protocol-2 pickle with 0x80.
    if not raw.startswith(b"\x80"):
        return raw
    try:
        batch = _BatchUnpickler(io.BytesIO(raw), encoding="bytes").load()
    except _DAMAGE as error:
        raise MalformedFile(f"{where}: not a CIFAR batch, or damaged ({error}).") from None
    if not isinstance(batch, dict):
        raise MalformedFile(f"{where}: not a CIFAR batch; it holds no dictionary.")
    data, labels = (batch.get(key.encode(), batch.get(key)) for key in ("data", "labels"))
    if not isinstance(data, _Array) or data.array is None or not isinstance(labels, list):
        raise MalformedFile(f"{where}: not a CIFAR batch; it lacks the entries `data` and `labels`.")
    if not all(isinstance(label, int) and 0 <= label < 256 for label in labels):
        raise MalformedFile(f"{where}: a label is not a number of 0 to 255.")
    if len(labels) != len(data.array):
        raise MalformedFile(f"{where}: {len(labels)} labels for {len(data.array)} images.")
    return cifar_records(data.array, np.array(labels, dtype=np.uint8))


def cifar_records(pixels: Bytes, labels: Bytes) -> bytes:
    """CIFAR's binary records from planar pixels [N, C*H*W] and labels [N]: the label, then the pixels."""
    return np.concatenate((labels[:, None], pixels), axis=1).tobytes()


def _cifar_parse(contents: Sequence[Content], shape: tuple[int, int, int]) -> tuple[Bytes, Bytes]:
    length = 1 + math.prod(shape)
    parts = []
    for content in contents:
        if not content.data or len(content.data) % length:
            raise MalformedFile(
                f"{content.where}: truncated or not CIFAR records; "
                f"{len(content.data)} bytes are not a whole number of records of {length} bytes."
            )
        parts.append(np.frombuffer(content.data, np.uint8).reshape(-1, length))
    records = np.concatenate(parts)
    return np.ascontiguousarray(records[:, 1:]).reshape(-1, *shape), records[:, 0].copy()


FORMATS: MappingProxyType[FormatName, Format] = MappingProxyType(
    {
        "idx": Format(_idx_names, _idx_content, _idx_parse),
        "cifar": Format(_cifar_names, _cifar_content, _cifar_parse),
    }
)
