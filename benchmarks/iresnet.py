"""A small i-ResNet on images of clothes: density, samples, classification.

python benchmarks/iresnet.py [--seconds 120] [--width 16] [--blocks 2] [--threads 1] [--side 14] [--data embedded]

`embedded` are the 512 images of Fashion-MNIST that come with mintdsl, `fashion-mnist` all of them. With `--side 14`
they are averaged down. The density is trained with log-dets by a series of so many terms that what they miss is proved
to be at most 0.001 bits per dimension in all. What is printed: bits per dimension of the test images with the proved
bounds of the bias and of the deviation that the random vectors make, beside the deviation that is seen; at side 14 also
what dense Jacobians of 196 x 196 give for the same weights, which has to lie within those bounds; the classifier's
accuracy and what guessing has; how far the inverse of each is from the images that went in, and how many steps it took.
Both have half of the time.
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
from mintdsl.train import log_det_error  # noqa: E402

TEXT = """mint 1
import "iresnet/block.mint" { IResBlock }
import "std/actnorm.mint" { ActNorm }
import "std/heads.mint" { PooledLinear }
flow Density(width: Nat, blocks: Nat) on Image[1, SIDE, SIDE] ensures invertible, log_det estimate {
  dequantize 256
  logit(0.05)
  squeeze 2
  repeat blocks { ActNorm  IResBlock(width = width) log_det series(bits_per_dim <= BITS) }
  prior learned_normal(per = channel)
}
flow Exact(width: Nat, blocks: Nat) on Image[1, SIDE, SIDE] ensures invertible, log_det exact {
  dequantize 256
  logit(0.05)
  squeeze 2
  repeat blocks { ActNorm  IResBlock(width = width) log_det exact }
  prior learned_normal(per = channel)
}
flow Blocks(width: Nat, blocks: Nat) on Image[C, H, W] ensures invertible {
  repeat blocks { IResBlock(width = width)  ActNorm }
}
flow Classifier(width: Nat, blocks: Nat) on Image[1, SIDE, SIDE] {
  standardize(mean = 0.29, std = 0.35)
  pad channels to 4
  Blocks(width = width, blocks = blocks)
  squeeze 2
  Blocks(width = width, blocks = blocks)
  classify PooledLinear(classes = 10, h = relu)
}
"""
BATCH = 16
BITS = 0.001


def images(data: str, split: str, side: int) -> tuple[Tensor, Tensor]:
    """Integers [N, 1, side, side] and labels."""
    found = load(data, split)
    pixels = torch.as_tensor(found.images).reshape(-1, 1, 28, 28)
    if side == 14:
        pixels = nn.functional.avg_pool2d(pixels.float(), 2).round().to(torch.uint8)
    return pixels, torch.as_tensor(found.labels).long()


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
    parser.add_argument("--side", type=int, choices=(14, 28), default=14)
    parser.add_argument("--data", choices=("embedded", "fashion-mnist"), default="embedded")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    text = TEXT.replace("SIDE", str(args.side)).replace("BITS", repr(BITS / args.blocks))
    program, sizes = mintdsl.loads(text), {"width": args.width, "blocks": args.blocks}
    (x, labels), (test, test_labels) = (images(args.data, split, args.side) for split in ("train", "test"))
    test, test_labels = test[:1000], test_labels[:1000]

    torch.manual_seed(0)
    model = program.compile("Density", **sizes)()
    model.initialize(x[:1024])
    before, _ = evaluated(model, test)
    steps = train(model, lambda at: model.bits_per_dim(x[at]).mean(), len(x), args.seconds / 2)
    model.eval()
    after, spread = evaluated(model, test)
    bias, deviation = log_det_error(model)
    print(f"density: {steps} steps, {before:.3f} -> {after:.4f} bits/dim of {len(test)} test images;")
    print(f"  bias at most {bias:.1e}; deviation of one image at most {deviation:.2e}, seen {spread:.2e} bits/dim")
    if args.side == 14:
        exact = program.compile("Exact", **sizes)()
        exact.load_state_dict(model.state_dict())
        known, _ = evaluated(exact.eval(), test)
        noise = deviation / math.sqrt(len(test))
        held = "within" if abs(known - after) <= bias + 4 * noise else "OUTSIDE"
        print(f"  by dense Jacobians {known:.4f}: the difference is {held} the bound and 4 x {noise:.1e} of noise")
    with torch.no_grad():
        samples = model.sample(16)
    print(f"  16 samples by inversion: values from {int(samples.min())} to {int(samples.max())}")
    print(f"  inverse of test images: {inverted(model, (test[:64].float() + 0.5) / 256)}")
    norms = [one for one in model.certify() if hasattr(one, "upper")]
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
            for part, wanted in ((real[:1000], labels[:1000]), (real_test, test_labels))
        ]
    guess = float(test_labels.bincount().max()) / len(test_labels)
    print(f"classifier: {steps} steps, {right[0]:.1%} of training and {right[1]:.1%} of test images ({guess:.1%})")
    print(f"  inverse of test images: {inverted(classifier, real_test[:64])}")


def evaluated(model: nn.Module, x: Tensor) -> tuple[float, float]:
    """Mean bits per dimension, and how far two draws of the same image's log-det are apart, as a deviation."""
    means, apart, made = [], [], torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    with torch.no_grad():
        for part in x.split(32):
            noisy = (part + torch.rand(part.shape, generator=made)) / 256
            draws = [8 - model.distribution().log_prob(noisy) / (math.log(2) * part[0].numel()) for _ in range(2)]
            means.append(draws[0])
            apart.append((draws[0] - draws[1]) / math.sqrt(2))
    return float(torch.cat(means).mean()), float(torch.cat(apart).square().mean().sqrt())


if __name__ == "__main__":
    main()
