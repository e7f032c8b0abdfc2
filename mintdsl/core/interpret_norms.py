"""The norms that bounded weights are scaled by, from their definition: Schatten norms of order 256 at frequencies."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

ORDER = 256
ROUNDED_UP = 1.0 + 2.0**-30

Matrix = list[list[complex]]


class Strided(NamedTuple):
    """Of a kernel with a stride: the tap that meets the pixel, how far its taps are apart, and the stride."""

    anchor: tuple[int, int]
    dilation: tuple[int, int]
    stride: tuple[int, int]


def limited(
    values: Sequence[float],
    shape: Sequence[int],
    image: Sequence[int],
    limit: float,
    circular: tuple[int, int] | None = None,
    strided: Strided | None = None,
) -> list[float]:
    """Weights of a map, scaled down to a norm of at most `limit`: a matrix (out, in), or a kernel on images.

    `circular` has the dilation of a kernel whose taps wrap around; `strided` what makes one that skips pixels a
    kernel of stride 1 on squeezed images, whose norm is the same.

    Without what float64 numbers would be made smaller by for their own rounding, which is below 1e-13.
    """
    largest = max(map(abs, values), default=0.0)
    if largest == 0.0:
        return list(values)
    unit = [v / largest for v in values]
    place = (unit, shape, image) if strided is None else squeezed(unit, shape, image, strided)
    norm = largest * max(map(schatten, matrices(*place, circular))) * ROUNDED_UP
    return [v * limit / norm for v in values] if norm > limit else list(values)


def rows_limited(values: Sequence[float], shape: Sequence[int], limit: float) -> list[float]:
    """Weights of a map (out, in, ...), those of each output scaled down to a sum of absolute values of at most `limit`.

    Without what float64 numbers would be made smaller by for their own rounding.
    """
    size = len(values) // shape[0]
    rows = [values[o * size : (o + 1) * size] for o in range(shape[0])]
    return [v * _share(sum(map(abs, row)), limit) for row in rows for v in row]


def columns_limited(
    values: Sequence[float], shape: Sequence[int], limit: float, strided: Strided | None = None
) -> list[float]:
    """The same of each input; with a stride, pixels of a phase are met by their taps only: the largest sum counts."""
    _, inputs, rows, columns = (*shape, 1, 1)[:4]
    sums: dict[tuple[int, int, int], float] = {}
    for place, value in enumerate(values):
        i, u, v = place // (rows * columns) % inputs, place // columns % rows, place % columns
        phase = (0, 0)
        if strided is not None:
            (top, left), (down, right), (s, t) = strided
            phase = ((u - top) * down % s, (v - left) * right % t)
        sums[i, *phase] = sums.get((i, *phase), 0.0) + abs(value)
    most = [max(total for (own, *_), total in sums.items() if own == i) for i in range(inputs)]
    return [v * _share(most[k // (rows * columns) % inputs], limit) for k, v in enumerate(values)]


def _share(total: float, limit: float) -> float:
    return limit / (total * ROUNDED_UP) if total * ROUNDED_UP > limit else 1.0


def squeezed(
    values: Sequence[float], shape: Sequence[int], image: Sequence[int], by: Strided
) -> tuple[list[float], list[int], list[int]]:
    """The kernel that gives the same of images squeezed by the stride, its shape, and the size of those images.

    A tap d rows from the pixel s h reads row h + d // s of the pixels whose row is d mod s in their tile.
    """
    outputs, inputs, rows, columns = shape
    down, right = ([(k - by.anchor[a]) * by.dilation[a] for k in range(shape[2 + a])] for a in (0, 1))
    (s, t), (top, left) = by.stride, (min(down) // by.stride[0], min(right) // by.stride[1])
    tall, wide = max(down) // s - top + 1, max(right) // t - left + 1
    found = [0.0] * (outputs * inputs * s * t * tall * wide)
    for o, i, u, v in product(range(outputs), range(inputs), range(rows), range(columns)):
        channel = ((o * inputs + i) * s + down[u] % s) * t + right[v] % t
        place = (channel * tall + down[u] // s - top) * wide + right[v] // t - left
        found[place] = values[((o * inputs + i) * rows + u) * columns + v]
    return found, [outputs, inputs * s * t, tall, wide], [image[0] // s, image[1] // t]


def matrices(
    values: Sequence[float], shape: Sequence[int], image: Sequence[int], circular: tuple[int, int] | None = None
) -> Iterator[Matrix]:
    """The matrix, or those of a kernel at the frequencies of a torus on which no tap wraps around, or of the image."""
    outputs, inputs, rows, columns = (*shape, 1, 1)[:4]
    if (rows, columns) == (1, 1):
        yield [[complex(v) for v in values[o * inputs : (o + 1) * inputs]] for o in range(outputs)]
        return
    height, width = (image[0] + rows - 1, image[1] + columns - 1) if circular is None else image
    down, right = circular or (1, 1)
    for k, n in product(range(height), range(width)):
        turns = [
            cmath.exp(2j * cmath.pi * (k * u * down / height + n * v * right / width))
            for u, v in product(range(rows), range(columns))
        ]
        taps = len(turns)
        yield [
            [
                sum((t * w for t, w in zip(turns, values[p * taps : (p + 1) * taps], strict=True)), 0j)
                for p in range(o * inputs, (o + 1) * inputs)
            ]
            for o in range(outputs)
        ]


def schatten(matrix: Matrix) -> float:
    """(trace (M' M)^128)^(1/256), by multiplication."""
    columns = list(zip(*matrix, strict=True))
    sides = matrix if len(matrix) <= len(columns) else [list(column) for column in columns]
    power = [[sum((a * b.conjugate() for a, b in zip(x, y, strict=True)), 0j) for y in sides] for x in sides]
    log, n = 0.0, len(power)
    for _ in range(round(math.log2(ORDER)) - 1):
        size = max(abs(v) for row in power for v in row)
        if size == 0.0:
            return 0.0
        scaled = [[v / size for v in row] for row in power]
        power = [[sum((a[k] * scaled[k][j] for k in range(n)), 0j) for j in range(n)] for a in scaled]
        log = 2.0 * (log + math.log(size))
    return math.exp((log + math.log(sum(power[k][k].real for k in range(n)))) / ORDER)
