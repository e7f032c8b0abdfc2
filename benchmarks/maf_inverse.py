"""The inverse of MAF against zuko, nflows and normflows: samples of a batch, the same architecture, one process.

python benchmarks/maf_inverse.py [BATCH ...]

Two settings: one layer with D = 256, and a flow of 5 layers with D = 63 (BSDS300), both with hidden layers of 512 and
512 units, in float32. The runs are interleaved; seconds are medians. Libraries that are not installed are left out
(`make interop` installs them).
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import mintdsl  # noqa: E402

RUNS = 5
HIDDEN = 512
SETTINGS = ((256, 1), (63, 5))
TEXT = """mint 1
net Made(width: Nat) from Vec[D] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V1     : linear lower        from Vec[D] to Hid
  param V2     : linear lower        on Hid
  param Vm, Va : linear strict lower from Hid to Vec[D]
  param b1, b2 : bias on Hid
  param bm, ba : bias on Vec[D]
  map x {
    let u = relu(V1(x) + b1)
    let v = relu(V2(u) + b2)
    return (Vm(v) + bm, Va(v) + ba)
  }
}
layer Maf(width: Nat) on Vec[D] ensures lower, diag > 0, invertible {
  param n : net Made(width = width) from Vec[D] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x)
    return (x - m) * exp(-a)
  }
}
flow F on Vec[DIM] ensures invertible { repeat LAYERS { Maf(width = WIDTH)  reverse } }
"""

Inverse = Callable[[Tensor], object]


def ours(size: int, layers: int) -> Inverse:
    """The generated flow."""
    text = TEXT.replace("DIM", str(size)).replace("LAYERS", str(layers)).replace("WIDTH", str(HIDDEN))
    model = mintdsl.loads(text).compile()().eval()
    return lambda z: model.inverse(z)


def zuko(size: int, layers: int) -> Inverse:
    """Its MaskedAutoregressiveTransform."""
    module = importlib.import_module("zuko.flows.autoregressive")
    made = [module.MaskedAutoregressiveTransform(size, hidden_features=(HIDDEN, HIDDEN)).eval() for _ in range(layers)]
    return lambda z: [one().inv(z) for one in made]


def nflows(size: int, layers: int) -> Inverse:
    """Its MaskedAffineAutoregressiveTransform."""
    module = importlib.import_module("nflows.transforms.autoregressive")
    cls = module.MaskedAffineAutoregressiveTransform
    made = [cls(size, HIDDEN, num_blocks=1, use_residual_blocks=False).eval() for _ in range(layers)]
    return lambda z: [one.inverse(z) for one in made]


def normflows(size: int, layers: int) -> Inverse:
    """Its MaskedAffineAutoregressive."""
    module = importlib.import_module("normflows.flows")
    cls = module.MaskedAffineAutoregressive
    made = [cls(size, HIDDEN, num_blocks=1, use_residual_blocks=False).eval() for _ in range(layers)]
    return lambda z: [one.inverse(z) for one in made]


OTHERS = {"zuko": zuko, "nflows": nflows, "normflows": normflows}


@torch.no_grad()
def main() -> None:
    batches = [int(word) for word in sys.argv[1:]] or [16, 256]
    print(f"{torch.get_num_threads()} threads, float32, hidden layers of {HIDDEN} and {HIDDEN}, medians of {RUNS} runs")
    for size, layers in SETTINGS:
        torch.manual_seed(0)
        known: dict[str, Inverse] = {"mintdsl": ours(size, layers)}
        for name, build in OTHERS.items():
            try:
                known[name] = build(size, layers)
            except ImportError:
                print(f"{name} is not installed")
        for batch in batches:
            z = 0.5 * torch.randn(batch, size)
            seconds: dict[str, list[float]] = {name: [] for name in known}
            for run in range(RUNS + 1):
                for name, inverse in known.items():
                    begin = time.perf_counter()
                    inverse(z)
                    if run:  # the first one warms up
                        seconds[name].append(time.perf_counter() - begin)
            medians = {name: statistics.median(found) for name, found in seconds.items()}
            own = medians.pop("mintdsl")
            rest = "".join(f"  {name} {found:.3f} s, {found / own:.1f} times" for name, found in medians.items())
            print(
                f"D = {size}, {layers} layer{'s' * (layers > 1)}, batch {batch}: mintdsl {own:.4f} s{rest}", flush=True
            )


if __name__ == "__main__":
    main()
