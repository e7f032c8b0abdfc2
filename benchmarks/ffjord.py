"""FFJORD on points of the plane: trained, then its density and its samples are held against what is known of them.

python benchmarks/ffjord.py [moons] [rings] [--steps N]

specs/ffjord/toy2d.mint, Adam with a rate of 3e-3, batches of 256, gradients by the adjoint equation. Printed are the
test set's mean negative log-likelihood in nats before and after; the integral of the density over a grid, which is 1
of a density; the greatest difference of a log-determinant to that of the dense Jacobian of the flow map, of the same
solver; and the greatest error of a round trip. The tolerance of the solver is local: 1e-5 a step.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from nll import moons, rings  # noqa: E402

import mintdsl  # noqa: E402

BATCH, RATE = 256, 3e-3
TOYS = {"moons": moons, "rings": rings}


@torch.no_grad()
def nats(model: nn.Module, x: Tensor) -> float:
    """The mean negative log-likelihood."""
    return sum(float(-model.log_prob(part).sum()) for part in x.split(2000)) / len(x)


@torch.no_grad()
def mass(model: nn.Module, reach: float, points: int = 201) -> float:
    """The integral of the density over the square [-reach, reach]^2."""
    axis = torch.linspace(-reach, reach, points)
    grid = torch.cartesian_prod(axis, axis)
    found = sum(float(model.log_prob(part).double().exp().sum()) for part in grid.split(4000))
    return found * float(axis[1] - axis[0]) ** 2


def off_dense(model: nn.Module, x: Tensor) -> float:
    """The greatest difference of a log-determinant to the one of the dense Jacobian, in float64."""
    wide = model.double()
    _, log_det = wide(x.double())
    worst = 0.0
    for one, found in zip(x.double(), log_det.tolist(), strict=True):
        dense = torch.autograd.functional.jacobian(lambda v: wide(v[None])[0][0], one)
        worst = max(worst, abs(float(torch.linalg.slogdet(dense).logabsdet) - found))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("toys", nargs="*", metavar="TOY", help=", ".join(TOYS))
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    for name in args.toys or TOYS:
        torch.manual_seed(0)
        train, test = TOYS[name](20_000), TOYS[name](4_000)
        model = mintdsl.load(ROOT / "specs" / "ffjord" / "toy2d.mint").compile()()
        before = nats(model, test)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
        begin = time.perf_counter()
        for _ in range(args.steps):
            optimizer.zero_grad()
            loss = -model.log_prob(train[torch.randint(len(train), (BATCH,))]).mean()
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - begin
        after, whole = nats(model, test), mass(model, 6.0)
        with torch.no_grad():
            z, _ = model(test[:500])
            back = float((model.inverse(z)[0] - test[:500]).abs().max())
        print(
            f"{name}: {before:.3f} to {after:.3f} nats of {len(test):,} test points in {args.steps} steps, "
            f"{seconds:.0f} s; mass {whole:.4f}; round trip {back:.1e}; "
            f"log_det off by {off_dense(model, test[:64]):.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
