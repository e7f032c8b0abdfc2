"""The inverse of a 3x3 convolution with its anchor in a corner: fronts against substitution in raster order.

python benchmarks/conv_inverse.py [BATCH ...]

32 x 32 pixels, 12 channels, float32, triangular channels at the anchor (CInC Flow, arXiv:2107.01358). Compared with the
generated layer, which also tests the residual of what it found: one pixel after the other, all channels and samples at
once; and one number after the other, all samples at once, as released code does it. Runs are interleaved, seconds are
medians, the slowest of them is run once.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import mintdsl  # noqa: E402

SIZE, CHANNELS, RUNS = 32, 12, 7
TEXT = f"""mint 1
import "cinc/conv.mint" {{ CInC }}
flow F on Image[{CHANNELS}, {SIZE}, {SIZE}] ensures invertible {{ CInC }}
"""


def by_pixels(z: Tensor, kernel: Tensor) -> Tensor:
    """Raster order, a pixel at a time: one product with the 8 taps before it, A^-1 folded in."""
    inverse = torch.linalg.inv(kernel[:, :, 2, 2])
    taps = (inverse @ kernel.flatten(2)[..., :-1].reshape(CHANNELS, -1)).T.contiguous()
    own = nn.functional.conv2d(z, inverse[..., None, None]).permute(2, 3, 0, 1).contiguous()
    x = z.new_zeros(SIZE + 2, SIZE + 2, len(z), CHANNELS)
    for i in range(SIZE):
        for j in range(SIZE):
            window = x[i : i + 3, j : j + 3].reshape(9, len(z), CHANNELS)[:-1]
            x[i + 2, j + 2] = own[i, j] - window.permute(1, 2, 0).reshape(len(z), -1) @ taps
    return x[2:, 2:].permute(2, 3, 0, 1)


def by_numbers(z: Tensor, kernel: Tensor) -> Tensor:
    """Raster order, one number of each sample at a time."""
    x = nn.functional.pad(torch.zeros_like(z), (2, 0, 2, 0))
    upwards = bool((kernel[:, :, 2, 2].tril(-1) == 0).all())
    for i in range(SIZE):
        for j in range(SIZE):
            for c in reversed(range(CHANNELS)) if upwards else range(CHANNELS):
                known = (x[:, :, i : i + 3, j : j + 3] * kernel[c]).flatten(1).sum(1)
                x[:, c, i + 2, j + 2] = (z[:, c, i, j] - known) / kernel[c, c, 2, 2]
    return x[:, :, 2:, 2:]


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    model = mintdsl.loads(TEXT).compile()().eval()
    layer = next(m for m in model.modules() if hasattr(m, "effective"))
    kernel = layer.effective("k")
    print(f"{torch.get_num_threads()} threads, float32, {CHANNELS} x {SIZE} x {SIZE}, medians of {RUNS} runs")
    for batch in [int(word) for word in sys.argv[1:]] or [1, 16, 64]:
        x = torch.randn(batch, CHANNELS, SIZE, SIZE)
        z = model(x)[0]
        ways: dict[str, Callable[[], Tensor]] = {
            "fronts": lambda z=z: model.inverse(z)[0],
            "pixels": lambda z=z: by_pixels(z - layer.effective("b").reshape(-1, 1, 1), kernel),
            "numbers": lambda z=z: by_numbers(z - layer.effective("b").reshape(-1, 1, 1), kernel),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for run in range(RUNS + 1):
            for name, way in ways.items():
                if name == "numbers" and run > 1:
                    continue
                begin = time.perf_counter()
                found = way()
                if run:  # the first one warms up
                    seconds[name].append(time.perf_counter() - begin)
                assert float((found - x).abs().max()) < 1e-3, name
        own, pixels, numbers = (statistics.median(found) for found in seconds.values())
        print(
            f"batch {batch}: fronts {own * 1e3:.1f} ms; pixels {pixels * 1e3:.1f} ms, {pixels / own:.1f} times; "
            f"numbers {numbers * 1e3:.0f} ms, {numbers / own:.0f} times",
            flush=True,
        )


if __name__ == "__main__":
    main()
