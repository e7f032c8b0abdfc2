"""What it costs to keep the norm of a map: the 2-norm, the maximum norm, the 1-norm.

python benchmarks/norms.py [--threads 1]

The effective weight of a 3x3 convolution and its gradient, as every training step of a residual layer makes them, by
`via spectral`, `rows` and `columns`; beside it the convolution itself with its gradients, 32 images, which is the rest
of such a step. Runs are interleaved, seconds are medians. The last column says how much of a random weight is left:
of the same raw numbers, all far above the limit, the 2-norm of what is applied.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mintdsl.runtime.certify import NormLimit, norm_below  # noqa: E402
from mintdsl.runtime.norms import columns_below, rows_below, spectral_conv  # noqa: E402

CASES = ((16, 32), (64, 16), (128, 8))
RUNS, BATCH, LIMIT = 5, 32, 0.9


def seconds(weight: Tensor, x: Tensor | None = None) -> float:
    """Until the gradients are there; of the convolution with x, where it is given."""
    begin = time.perf_counter()
    (weight if x is None else nn.functional.conv2d(x, weight, padding=1)).square().sum().backward()
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    print("channels  image   by        weight    of spectral   of the convolution   2-norm left")
    for channels, side in CASES:
        torch.manual_seed(0)
        raw = torch.randn(channels, channels, 3, 3, requires_grad=True)
        x = torch.randn(BATCH, channels, side, side, requires_grad=True)
        ways = {
            "spectral": lambda w, side=side: spectral_conv(w, LIMIT, (side, side)),
            "rows": lambda w: rows_below(w, LIMIT, 4),
            "columns": lambda w: columns_below(w, LIMIT, 4),
        }
        taken: dict[str, list[float]] = {name: [] for name in (*ways, "conv")}
        for _ in range(RUNS):
            for name, way in ways.items():
                begin = time.perf_counter()
                weight = way(raw)
                made = time.perf_counter() - begin
                taken[name].append(made + seconds(weight))
            taken["conv"].append(seconds(raw.detach().requires_grad_(), x))
        middle = {name: statistics.median(found) for name, found in taken.items()}
        for name, way in ways.items():
            left = norm_below(way(raw).detach(), NormLimit(LIMIT, (side, side), (1, 1)))
            share, beside = middle[name] / middle["spectral"], middle[name] / middle["conv"]
            print(
                f"{channels:8}  {side:2}x{side:<2}   {name:8} {middle[name]:8.4f} s  {share:11.5f}   {beside:18.3f}"
                f"   {left:11.3f}"
            )


if __name__ == "__main__":
    main()
