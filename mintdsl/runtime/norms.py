"""Norms of linear maps, bounded from above, and weights that are scaled below a bound.

A convolution with zero padding is what a circular one on a larger torus does to images with zeros around them, so its
2-norm is at most the largest norm of the matrices that belong to the frequencies of that torus (Delattre, Barthelemy,
Araujo, Allauzen, ICML 2023, arXiv:2305.16173, section 3). It is enough that no tap wraps around: height + rows - 1 by
width + columns - 1, wherever the anchor is. Of a circular convolution the torus is the image itself, and with taps e
rows apart the frequencies are those of a torus of height / gcd(height, e): there the bound is the norm, but for what
follows. The 2-norm of a matrix M is at most its Schatten norm of order 256,
(trace (M' M)^128)^(1/256), which Gram iteration finds by squaring; for n singular values it is at most n^(1/256) times
as large. Power iteration would give bounds from below. A convolution with a stride is one of stride 1 of the image
squeezed into tiles of that size, which is the same image in another order: its norm is that of this one.

The norm of a map that goes with the maximum of absolute values is the largest sum of a row of its matrix, that of an
output; the one that goes with their sum, the largest sum of a column. Of a convolution they are at most the sums over
all taps of an output, or of an input, whatever the size of the image, and that much where all taps lie inside it; with
a stride, a pixel is met by the taps of its phase only.

Rounding. All is computed in float64, in relation to the largest entry, where the rounding of n x n products, of roots
and of sums over taps stays far below 2^-30 of the result for n < 2^16; the result is made that much larger. What
rounding a weight to its dtype adds to the norm is at most half a unit of every entry: the norm of a convolution is at
most that of its taps as matrices, summed, and so at most sqrt(taps) times the Frobenius norm of the kernel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mintdsl.runtime.parametrise import round_up

SQUARINGS = 6
ROUNDED_UP = 1.0 + 2.0**-30


def largest_entry(raw: Tensor, axes: int) -> Tensor:
    """The largest absolute value of the last `axes` axes, which stay with size 1, and at least 1e-290. No gradient."""
    return raw.detach().double().abs().amax(tuple(range(-axes, 0)), keepdim=True).clamp(min=1e-290)


def schatten_norm(real: Tensor, imaginary: Tensor | None = None) -> Tensor:
    """Schatten norm of order 256 of float64 matrices [*, m, n], or of complex ones by their two parts.

    Their largest entry is about 1: squares of small numbers would be lost. Of a complex Gram matrix G = A + i B the
    part A is symmetric and B^T = -B, so that G^2 = A A - B B + i (A B - (A B)^T) takes three products of real matrices.
    """
    if real.shape[-2] > real.shape[-1]:
        real, imaginary = real.mT, None if imaginary is None else -imaginary.mT
    gram, skew = real @ real.mT, None
    if imaginary is not None:
        mixed = imaginary @ real.mT
        gram, skew = gram + imaginary @ imaginary.mT, mixed - mixed.mT
    log = torch.zeros_like(gram[..., 0, 0])
    for step in range(SQUARINGS + 1):
        squares = gram.square().sum((-2, -1), keepdim=True)
        squares = squares if skew is None else squares + skew.square().sum((-2, -1), keepdim=True)
        size = squares.clamp(min=1e-300).sqrt()
        log = log + size[..., 0, 0].log()
        if step == SQUARINGS:
            break
        gram, log = gram / size, 2.0 * log
        if skew is None:
            gram = gram @ gram
        else:
            skew = skew / size
            mixed = gram @ skew
            gram, skew = gram @ gram - skew @ skew, mixed - mixed.mT
    return (log / 2.0 ** (SQUARINGS + 1)).exp()


def frequency_matrices(kernel: Tensor, torus: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """[*, F, O, I] twice, of a float64 kernel [*, O, I, rows, columns]: the matrices of the frequencies of a torus,
    their real and their imaginary parts.

    The kernel is real, so half of the frequencies has the norms of all. Taps that meet on a torus smaller than the
    kernel are added.
    """
    rows, columns = kernel.shape[-2:]

    def turns(frequencies: int, taps: int, size: int) -> Tensor:
        first, second = (torch.arange(n, dtype=torch.float64, device=kernel.device) for n in (frequencies, taps))
        return torch.outer(first, second).remainder(size) / size

    down, along = turns(torus[0], rows, torus[0]), turns(torus[1] // 2 + 1, columns, torus[1])
    angle = 2.0 * math.pi * (down[:, None, :, None] + along[None, :, None, :]).reshape(-1, rows * columns)
    taps = kernel.flatten(-2)
    real = torch.einsum("...oit,ft->...foi", taps, angle.cos())
    imaginary = torch.einsum("...oit,ft->...foi", taps, angle.sin())
    return real, imaginary


def torus_norm_above(kernel: Tensor, torus: tuple[int, int]) -> Tensor:
    """Upper bound [*] of the 2-norm of circular convolutions [*, O, I, rows, columns] on images of size `torus`.

    Gradients go through the frequency of the largest norm only.
    """
    if kernel.shape[-2:] == (1, 1):
        return matrix_norm_above(kernel[..., 0, 0])
    largest = largest_entry(kernel, 4)
    parts = frequency_matrices(kernel.double() / largest, torus)
    with torch.no_grad():
        worst = schatten_norm(*parts).argmax(-1)[..., None, None, None]
    found = schatten_norm(*(part.take_along_dim(worst, -3).squeeze(-3) for part in parts))
    return found * largest[..., 0, 0, 0, 0] * ROUNDED_UP


def conv_norm_above(kernel: Tensor, size: tuple[int, int], circular: tuple[int, int] | None = None) -> Tensor:
    """Upper bound [*] of the 2-norm of convolutions [*, O, I, rows, columns] of stride 1, with zero padding.

    Or of circular ones with the dilation `circular`. `size` is that of the images, which the convolution keeps; any tap
    may be the anchor.
    """
    if circular is not None:
        (height, down), (width, right) = zip(size, circular, strict=True)
        return torus_norm_above(kernel, (height // math.gcd(height, down), width // math.gcd(width, right)))
    rows, columns = kernel.shape[-2:]
    return torus_norm_above(kernel, (size[0] + rows - 1, size[1] + columns - 1))


def squeezed_kernel(
    kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int], stride: tuple[int, int]
) -> Tensor:
    """[*, O, I s t, rows', columns']: what a kernel [*, O, I, rows, columns] of stride (s, t) is on squeezed images.

    A tap d rows from the pixel s h reads row h + d // s of those pixels whose row is d mod s in their tile.
    """
    found = kernel
    for axis in (-2, -1):
        apart = [(k - anchor[axis]) * dilation[axis] for k in range(kernel.shape[axis])]
        first, size = min(apart) // stride[axis], stride[axis]
        length = max(apart) // size - first + 1
        places = torch.tensor([d % size * length + d // size - first for d in apart], device=kernel.device)
        moved = torch.zeros(len(apart), size * length, dtype=kernel.dtype, device=kernel.device)
        moved = moved.scatter(1, places[:, None], 1.0)
        found = (found.movedim(axis, -1) @ moved).movedim(-1, axis)
    (*maps, inputs, tall, wide), (s, t) = found.shape, stride
    phases = found.reshape(*maps, inputs, s, tall // s, t, wide // t).movedim(-2, -3)
    return phases.reshape(*maps, inputs * s * t, tall // s, wide // t)


def strided_norm_above(
    kernel: Tensor, size: tuple[int, ...], anchor: tuple[int, int], dilation: tuple[int, int], stride: tuple[int, int]
) -> Tensor:
    """Upper bound [*] of the 2-norm of convolutions [*, O, I, rows, columns] with a stride that divides `size`."""
    (height, width), (down, right) = size, stride
    return conv_norm_above(squeezed_kernel(kernel, anchor, dilation, stride), (height // down, width // right))


def matrix_norm_above(matrix: Tensor) -> Tensor:
    """Upper bound [*] of the 2-norm of matrices [*, m, n]."""
    largest = largest_entry(matrix, 2)
    return schatten_norm(matrix.double() / largest) * largest[..., 0, 0] * ROUNDED_UP


class Phases(NamedTuple):
    """Where the taps of a kernel with a stride lie: its anchor, how far they are apart, and the stride."""

    anchor: tuple[int, int]
    dilation: tuple[int, int]
    stride: tuple[int, int]


def row_sums(weight: Tensor, axes: int) -> Tensor:
    """[*, m, 1, ...]: for each output the sum of absolute values, in float64, rounded up; of matrices [*, m, n], axes
    2, or of kernels [*, m, n, rows, columns], axes 4."""
    return weight.double().abs().sum(tuple(range(1 - axes, 0)), keepdim=True) * ROUNDED_UP


def column_sums(weight: Tensor, axes: int, phases: Phases | None = None) -> Tensor:
    """[*, 1, n, ...]: the same for each input; with a stride the largest sum of one of its phases."""
    wide = weight.double().abs()
    if phases is not None:
        own, tile = squeezed_kernel(wide, *phases).sum((-4, -2, -1)), phases.stride[0] * phases.stride[1]
        largest: Tensor = own.reshape(*own.shape[:-1], -1, tile).amax(-1)
        return largest[..., None, :, None, None] * ROUNDED_UP
    return wide.sum((-axes, *range(2 - axes, 0)), keepdim=True) * ROUNDED_UP


def sums_below(raw: Tensor, sums: Tensor, limit: float, axes: int) -> Tensor:
    """raw, with all that belongs to a sum above `limit` made smaller, so that it is at most that after rounding to the
    dtype of raw as well; what is within it stays as it is."""
    info, entries = torch.finfo(raw.dtype), math.prod(raw.shape[-axes:])
    lost = info.smallest_normal * info.eps * entries  # by numbers too small for the dtype
    room = max(limit - lost, 0.5 * limit) * (1.0 - info.eps)
    scaled = raw.double() * (room / sums.clamp(min=room))
    return torch.where(sums <= limit, raw, scaled.to(raw.dtype))


def rows_below(raw: Tensor, limit: float, axes: int) -> Tensor:
    """Matrices [*, m, n], axes 2, or convolutions [*, m, n, rows, columns], axes 4, with every row of norm at most
    `limit`: no sum of absolute values of an output is larger. Circular, dilated, strided: the same."""
    return sums_below(raw, row_sums(raw, axes), limit, axes)


def columns_below(raw: Tensor, limit: float, axes: int, phases: Phases | None = None) -> Tensor:
    """The same with every column: no sum of absolute values of an input is larger."""
    return sums_below(raw, column_sums(raw, axes, phases), limit, axes)


def scaled_below(raw: Tensor, unit: Tensor, norm: Tensor, limit: float, taps: int, axes: int) -> Tensor:
    """raw * min(1, limit / its norm), so that the norm is at most `limit` after rounding to the dtype of raw as well.

    `unit` is raw over its largest entry, `norm` [*] an upper bound of the norm of that; the last `axes` axes are those
    of one map.
    """
    last = tuple(range(-axes, 0))
    info, entries = torch.finfo(raw.dtype), math.prod(raw.shape[-axes:])
    entry = unit.square().sum(last).clamp(min=1e-300).sqrt()
    whole = (norm + 2.0 * info.eps * math.sqrt(taps) * entry).reshape(*norm.shape, *[1] * axes)
    lost = info.smallest_normal * info.eps * math.sqrt(taps * entries)  # by numbers too small for the dtype
    room = max(limit - lost, 0.5 * limit)
    scaled = unit * (room / whole.clamp(min=2.0**-60))  # less only where all is 0: taps that wrap around may cancel
    return torch.where(largest_entry(raw, axes) * whole <= room, raw, scaled.to(raw.dtype))


def spectral_matrix(raw: Tensor, limit: float) -> Tensor:
    """Matrices [*, m, n] scaled down to a 2-norm of at most `limit`; those that are within it stay as they are."""
    unit = raw.double() / largest_entry(raw, 2)
    return scaled_below(raw, unit, matrix_norm_above(unit), limit, 1, 2)


def spectral_conv(raw: Tensor, limit: float, size: tuple[int, int], circular: tuple[int, int] | None = None) -> Tensor:
    """Convolutions [*, O, I, rows, columns] on images of this size, scaled down to a 2-norm of at most `limit`.

    Zero padding, or circular with that dilation; stride 1, any anchor. Those that are within the limit stay as they
    are.
    """
    unit = raw.double() / largest_entry(raw, 4)
    return scaled_below(raw, unit, conv_norm_above(unit, size, circular), limit, math.prod(raw.shape[-2:]), 4)


def spectral_strided(
    raw: Tensor,
    limit: float,
    size: tuple[int, int],
    anchor: tuple[int, int],
    dilation: tuple[int, int],
    stride: tuple[int, int],
) -> Tensor:
    """The same of convolutions with a stride; what rounding adds is bounded by the taps as they are stored."""
    unit = raw.double() / largest_entry(raw, 4)
    norm = strided_norm_above(unit, size, anchor, dilation, stride)
    return scaled_below(raw, unit, norm, limit, math.prod(raw.shape[-2:]), 4)


def spectral_scale(raw: Tensor, limit: float) -> Tensor:
    """Factors of elements, each cut to [-limit, limit]."""
    most = -round_up(-limit, raw.dtype)
    return raw.clamp(-most, most)
