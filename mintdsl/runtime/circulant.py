"""Circular convolutions: the Fourier transform makes of them one matrix for each frequency of the image.

With y = W x, W a kernel on a torus of H by W pixels, the transforms obey y(f) = What(f) x(f), What(f) the C x C matrix
that is the sum of all taps, each turned by its phase. So log |det| is the sum of log |det What(f)| over all H W
frequencies, and the inverse solves each of them (Hoogeboom, van den Berg, Welling, ICML 2019, arXiv:1901.11137,
section 3.2). Images are real: of f and -f one is enough, and counts twice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mintdsl.runtime.families import family_conv


def spectrum(kernel: Tensor, anchor: tuple[int, int], dilation: tuple[int, int], image: tuple[int, ...]) -> Tensor:
    """What(f) [H, W // 2 + 1, O, I], complex, of a kernel [O, I, rows, columns] on images of this size.

    In float32 at least. Taps that meet on the torus are added.
    """
    height, width = image
    rows, columns = (torch.arange(n, device=kernel.device) for n in kernel.shape[-2:])
    down = ((anchor[0] - rows) * dilation[0]).remainder(height)
    along = ((anchor[1] - columns) * dilation[1]).remainder(width)
    taps = kernel.to(torch.promote_types(kernel.dtype, torch.float32)).flatten(-2)
    places = (down[:, None] * width + along).flatten()
    torus = taps.new_zeros(*taps.shape[:-1], height * width).index_add(-1, places, taps)
    found: Tensor = torch.fft.rfft2(torus.reshape(*taps.shape[:-1], height, width))
    return found.movedim((-2, -1), (0, 1))


def apply_circular(kernel: Tensor, x: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """The circular convolution of x [B, C, H, W]."""
    wide = torch.promote_types(kernel.dtype, x.dtype)
    return family_conv(x.to(wide), kernel.to(wide), anchor, dilation=dilation, circular=True)


def solve_circular(kernel: Tensor, z: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """x [B, C, H, W] with apply_circular(x) = z, frequency by frequency."""
    kept = torch.promote_types(kernel.dtype, z.dtype)
    wide = torch.promote_types(kept, torch.float32)
    if not z.shape[0]:
        return z.to(kept)
    matrices = spectrum(kernel.to(wide), anchor, dilation, z.shape[-2:])
    waves: Tensor = torch.linalg.solve(matrices, torch.fft.rfft2(z.to(wide)).permute(2, 3, 1, 0))
    solved: Tensor = torch.fft.irfft2(waves.permute(3, 2, 0, 1), s=z.shape[-2:])
    return solved.to(kept)


def circular_log_det(kernel: Tensor, x: Tensor, anchor: tuple[int, int], dilation: tuple[int, int]) -> Tensor:
    """log |det| of the circular convolution of images of the size of x: a number, in float32 at least."""
    sizes: Tensor = torch.linalg.slogdet(spectrum(kernel, anchor, dilation, x.shape[-2:]))[1]
    width = x.shape[-1]
    own = [1.0 if 2 * k in (0, width) else 2.0 for k in range(width // 2 + 1)]  # the others stand for -f too
    return (sizes * torch.tensor(own, dtype=sizes.dtype, device=sizes.device)).sum()
