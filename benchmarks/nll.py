"""Negative log-likelihood after the same training of the same architecture: mintdsl and zuko, five seeds each.

python benchmarks/nll.py [moons] [rings] [fashion] [embedded] [TABLE.csv ...]

"embedded" are the 512 and 128 images of Fashion-MNIST that come with mintdsl. A table is comma-separated numbers, one
sample a line; the last column, a class, is left out. MAF of 5 layers with reversed orders, hidden layers of 64 and 64
units (1024 and 1024 on images: fewer than 783 cannot carry every position, which mintdsl refuses), ReLU, Adam with a
rate of 1e-3, batches of 256. What is printed is the test set's mean in nats with its standard error over seeds; the
seeds of both see the same batches. zuko is installed by `make interop`.
"""

from __future__ import annotations

import csv
import importlib
import math
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
from mintdsl.data import DataNotFound, load  # noqa: E402

SEEDS, BATCH, LAYERS = 5, 256, 5
STEPS = {"fashion": 400, "embedded": 100}
USUAL = 1500
TEXT = """mint 1
net Made(width: Nat) from Vec[D] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V1     : linear lower        from Vec[D] to Hid
  param V2     : linear lower        on Hid
  param Vm, Va : linear strict lower from Hid to Vec[D]
  param b1 : bias on Hid init fan_in_uniform(of = V1)
  param b2 : bias on Hid init fan_in_uniform(of = V2)
  param bm : bias on Vec[D] init fan_in_uniform(of = Vm)
  param ba : bias on Vec[D] init fan_in_uniform(of = Va)
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
    return x * exp(a / (1 + abs(a) / 6.907755278982137)) + m
  }
}
flow F on Vec[DIM] ensures invertible { repeat LAYERS { Maf(width = WIDTH)  reverse } prior normal }
"""


class Zuko(nn.Module):
    """Its MAF, with the density as a method."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        flows = importlib.import_module("zuko.flows")
        self.flow = flows.MAF(size, transforms=LAYERS, hidden_features=(hidden, hidden))

    def log_prob(self, x: Tensor) -> Tensor:
        found: Tensor = self.flow().log_prob(x)
        return found


def ours(size: int, hidden: int) -> nn.Module:
    """The generated flow; weights and biases start as PyTorch's linear layers do."""
    width = round(hidden * size / (size - 1))  # one unit in `size` reads all coordinates, so no output may read it
    text = TEXT.replace("DIM", str(size)).replace("LAYERS", str(LAYERS)).replace("WIDTH", str(width))
    return mintdsl.loads(text).compile()()


def moons(count: int) -> Tensor:
    """Two half circles, with noise."""
    angle, side = math.pi * torch.rand(count), (torch.rand(count) < 0.5).float()
    x = torch.stack((angle.cos() + side, angle.sin() * (1 - 2 * side) + 0.5 * side), 1)
    return x + 0.1 * torch.randn_like(x)


def rings(count: int) -> Tensor:
    """Three circles in each other, with noise."""
    angle, radius = 2 * math.pi * torch.rand(count), torch.randint(1, 4, (count,)).float()
    return torch.stack((radius * angle.cos(), radius * angle.sin()), 1) + 0.1 * torch.randn(count, 2)


def images(name: str) -> tuple[Tensor, Tensor]:
    """Images dequantised once, through the logit of the paper."""
    parts = []
    for part in ("train", "test"):
        pixels = load(name, part).images.flatten(1).float()
        x = 0.05 + 0.9 * (pixels + torch.rand_like(pixels)) / 256
        parts.append(x.logit())
    return parts[0], parts[1]


def table(path: str) -> tuple[Tensor, Tensor]:
    """A table, its columns standardised by the training rows; every tenth row is for the test."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [row[:-1] for row in csv.reader(file) if row and not row[0].startswith("@")]
    x = torch.tensor([[float(cell) for cell in row] for row in rows])
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]
    test = torch.arange(len(x)) % 10 == 0
    mean, std = x[~test].mean(0), x[~test].std(0)
    return (x[~test] - mean) / std, (x[test] - mean) / std


def data_of(name: str) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    if name in ("fashion", "embedded"):
        return images("fashion-mnist" if name == "fashion" else name)
    if name in ("moons", "rings"):
        make = moons if name == "moons" else rings
        return make(20_000), make(10_000)
    return table(name)


def trained(build: Callable[[int, int], nn.Module], train: Tensor, test: Tensor, seed: int, steps: int) -> float:
    """The test NLL after training."""
    torch.manual_seed(seed)
    model = build(train.shape[1], 1024 if train.shape[1] > 100 else 64)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    made = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = train[torch.randint(len(train), (BATCH,), generator=made)]
        optimizer.zero_grad()
        loss = -model.log_prob(batch).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        total = sum(float(-model.log_prob(part).sum()) for part in test.split(1000))
    return total / len(test)


def main() -> None:
    for name in sys.argv[1:] or ["moons", "rings"]:
        try:
            train, test = data_of(name)
        except DataNotFound as missing:
            print(missing)
            continue
        steps = STEPS.get(name, USUAL)
        found: dict[str, list[float]] = {"mintdsl": [], "zuko": []}
        begin = time.perf_counter()
        for seed in range(SEEDS):
            found["mintdsl"].append(trained(ours, train, test, seed, steps))
            found["zuko"].append(trained(Zuko, train, test, seed, steps))
        said = []
        for library, values in found.items():
            error = statistics.stdev(values) / math.sqrt(len(values))
            said.append(f"{library} {statistics.mean(values):.4f} +- {error:.4f}")
        shape = f"{len(train):,} x {train.shape[1]}"
        seconds = time.perf_counter() - begin
        print(f"{Path(name).stem} ({shape}, {steps} steps): {', '.join(said)} nats; {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
