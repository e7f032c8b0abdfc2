"""A small i-ResNet on the 512 images of Fashion-MNIST that come with mintdsl: density, samples, classification.

python benchmarks/iresnet.py [--seconds 120] [--width 16] [--blocks 2] [--threads 1]

Images are averaged down to 14 x 14, so that `log_det exact` can make the dense Jacobian, 196 x 196. What is printed:
bits per dimension of the 128 test images (without an error: the log-det is exact), with the bound D |log(1 - L)| of the
log-det of a block that the proof gives; the classifier's accuracy and what guessing has; how far the inverse of each is
from the images that went in, and how many steps it took. Both have half of the time.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import mintdsl  # noqa: E402
from mintdsl.data import load  # noqa: E402

TEXT = """mint 1
import "iresnet/block.mint" { IResBlock }
import "std/actnorm.mint" { ActNorm }
import "std/heads.mint" { PooledLinear }
flow Density(width: Nat, blocks: Nat) on Image[1, 14, 14] ensures invertible {
  dequantize 256
  logit(0.05)
  squeeze 2
  repeat blocks { ActNorm  IResBlock(width = width) log_det exact }
  prior learned_normal(per = channel)
}
flow Blocks(width: Nat, blocks: Nat) on Image[C, H, W] ensures invertible {
  repeat blocks { IResBlock(width = width)  ActNorm }
}
flow Classifier(width: Nat, blocks: Nat) on Image[1, 14, 14] {
  standardize(mean = 0.29, std = 0.35)
  pad channels to 4
  Blocks(width = width, blocks = blocks)
  squeeze 2
  Blocks(width = width, blocks = blocks)
  classify PooledLinear(classes = 10, h = relu)
}
"""
BATCH = 16


def images(split: str) -> tuple[Tensor, Tensor]:
    """Integers [N, 1, 14, 14] and labels."""
    data = load("embedded", split)
    pixels = torch.as_tensor(data.images).float().reshape(-1, 1, 28, 28)
    return nn.functional.avg_pool2d(pixels, 2).round().to(torch.uint8), torch.as_tensor(data.labels).long()


def train(model: nn.Module, loss: Callable[[Tensor], Tensor], count: int, seconds: float) -> int:
    """Adam on batches of places until the time is over; how many steps that were."""
    optimiser, made, steps = torch.optim.Adam(model.parameters(), lr=3e-3), torch.Generator().manual_seed(0), 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        optimiser.zero_grad()
        loss(torch.randint(count, (BATCH,), generator=made)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        steps += 1
    return steps


def inverted(model: nn.Module, x: Tensor) -> str:
    """How far the inverse of the images is from them, and its steps."""
    with torch.no_grad():
        back, _ = model.inverse(model(x)[0])
    found = [m.last_inverse for m in model.modules() if getattr(m, "last_inverse", None) is not None]
    worst = max(float(info.residual.max()) for info in found)
    steps = sum(info.steps for info in found)
    return f"max |x' - x| {float((back - x).abs().max()):.1e}, worst residual {worst:.1e}, {steps} steps of Banach"


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    program, sizes = mintdsl.loads(TEXT), {"width": args.width, "blocks": args.blocks}
    (x, labels), (test, test_labels) = images("train"), images("test")

    torch.manual_seed(0)
    model = program.compile("Density", **sizes)()
    model.initialize(x)
    before = evaluated(model, test)
    steps = train(model, lambda at: model.bits_per_dim(x[at]).mean(), len(x), args.seconds / 2)
    model.eval()
    bound = args.blocks * -math.log2(1.0 - next(m.contraction for m in model.modules() if hasattr(m, "contraction")))
    print(f"density: {steps} steps, {before:.3f} -> {evaluated(model, test):.3f} bits/dim of the test images, exact;")
    print(f"  of that the log-dets of the blocks can be at most {bound:.2f} bits/dim (the proof's L)")
    with torch.no_grad():
        samples = model.sample(16)
    print(f"  16 samples by inversion: values from {int(samples.min())} to {int(samples.max())}")
    print(f"  inverse of test images: {inverted(model, (test[:64].float() + 0.5) / 256)}")
    norms = model.certify()
    print(
        f"  norms: {max(one.upper / one.limit for one in norms):.6f} of their limits at most, by the bound from above"
    )

    torch.manual_seed(0)
    classifier = program.compile("Classifier", **sizes)()
    real, real_test = x.float() / 255, test.float() / 255
    classifier.initialize(real)
    steps = train(
        classifier,
        lambda at: nn.functional.cross_entropy(classifier.logits(real[at]), labels[at]),
        len(x),
        args.seconds / 2,
    )
    classifier.eval()
    with torch.no_grad():
        right = [
            float((classifier.logits(part).argmax(-1) == wanted).double().mean())
            for part, wanted in ((real, labels), (real_test, test_labels))
        ]
    guess = float(test_labels.bincount().max()) / len(test_labels)
    print(
        f"classifier: {steps} steps, {right[0]:.1%} of the training and {right[1]:.1%} of the test images ({guess:.1%})"
    )
    print(f"  inverse of test images: {inverted(classifier, real_test[:64])}")


def evaluated(model: nn.Module, x: Tensor) -> float:
    """Mean bits per dimension."""
    torch.manual_seed(1)
    with torch.no_grad():
        return float(torch.cat([model.bits_per_dim(part) for part in x.split(32)]).mean())


if __name__ == "__main__":
    main()
