"""A small CInC flow with quad-coupling, trained on the images that come with mintdsl, and held against dense Jacobians.

python benchmarks/cinc.py [STEPS] [DEPTH] [WIDTH]

2 levels of DEPTH steps on the 512 images of Fashion-MNIST, measured on the other 128. Convolutions have no size, so
the trained weights also make a flow on crops of 8x8, whose Jacobian of 64x64 is made by automatic differentiation, in
float64. What is printed are bits per dimension before and after, the difference of the log-likelihoods, the error of
the way back, and seconds of one core.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Normal

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import mintdsl  # noqa: E402
from mintdsl.data import load  # noqa: E402
from mintdsl.train import TrainSettings, evaluate, fit, silent  # noqa: E402

CROP = 8
TEXT = """mint 1
import "cinc/cifar10.mint" { CInCStep }
import "glow/glow.mint" { SplitPrior }
flow Small on Image[1, SIZE, SIZE] ensures invertible {
  dequantize 256
  standardize(mean = 0.5, std = 1)
  squeeze 2
  repeat DEPTH { CInCStep(width = WIDTH) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat DEPTH { CInCStep(width = WIDTH) }
  prior learned_normal(per = channel)
}
"""


class Measured(NamedTuple):
    """Bits per dimension of the test images before and after, nats, absolute errors, seconds of training and tests."""

    before: float
    after: float
    nats: tuple[float, ...]
    worst_nats: float
    round_trip: float
    trained: float
    tested: float


def small(size: int, depth: int, width: int, dtype: torch.dtype) -> nn.Module:
    """The flow on images [1, size, size]."""
    text = TEXT.replace("SIZE", str(size)).replace("DEPTH", str(depth)).replace("WIDTH", str(width))
    return mintdsl.loads(text).compile()(dtype=dtype)


def dense_log_prob(model: nn.Module, x: Tensor) -> Tensor:
    """log p of one crop [1, H, W]: the dense Jacobian, and the normal distributions of the latent's parts."""
    z, _ = model(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v)[0], x).flatten(1)
    *_, (channels, rows, columns) = model.latent_parts
    pixels = rows * columns
    gone, rest = z.split((len(z) - channels * pixels, channels * pixels))
    state = model.state_dict()
    location, log_scale = (state[f"prior.rest.{key}"].repeat_interleave(pixels) for key in ("location", "log_scale"))
    prior = Normal(0.0, 1.0).log_prob(gone).sum() + Normal(location, log_scale.exp()).log_prob(rest).sum()
    return prior + torch.linalg.slogdet(jacobian).logabsdet


def measured(steps: int, depth: int, width: int) -> Measured:
    """Train, then compare on crops of the middle of four test images, and go there and back with 32 whole ones."""
    torch.set_num_threads(1)
    train, test = (load("embedded", part).images for part in ("train", "test"))
    torch.manual_seed(0)
    model = small(28, depth, width, torch.float32)
    model.initialize(train[:256])
    before = evaluate(model, test)
    start = time.process_time()
    fit(model, train, settings=TrainSettings(steps=steps, batch_size=32, grad_clip=50.0), progress=silent)
    trained, start = time.process_time() - start, time.process_time()
    after = evaluate(model, test)
    crop = small(CROP, depth, width, torch.float64)
    crop.load_state_dict(model.state_dict())
    crop.eval()
    model = model.double().eval()
    low = (28 - CROP) // 2
    noise = torch.rand(32, *test.shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = (test[:32].double() + noise) / 256
    with torch.no_grad():
        x = whole[:4, :, low : low + CROP, low : low + CROP]
        found = crop.distribution().log_prob(x)
        dense = torch.stack([dense_log_prob(crop, one) for one in x])
        back, _ = model.inverse(model(whole)[0])
    error, round_trip = float((found - dense).abs().max()), float((back - whole).abs().max())
    return Measured(before, after, tuple(found.tolist()), error, round_trip, trained, time.process_time() - start)


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    steps, depth, width = (*given, *(300, 4, 32)[len(given) :])
    found = measured(steps, depth, width)
    print(f"{depth} steps a level, width {width}, {steps} batches: {found.trained:.0f} s, tests {found.tested:.1f} s")
    print(f"bits per dimension before, after     {found.before:.3f}, {found.after:.3f}")
    print(f"log p of crops, in nats              {', '.join(f'{one:.2f}' for one in found.nats)}")
    print(f"worst difference to dense Jacobians  {found.worst_nats:.1e} nats")
    print(f"worst error of x, there and back     {found.round_trip:.1e}")


if __name__ == "__main__":
    main()
