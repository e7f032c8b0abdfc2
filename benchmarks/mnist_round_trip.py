"""The published MNIST flow at full size: 64 real digits there and back in float64, at weights far from the start.

Needs MNIST (see `mintdsl.data`); prints the worst error, the worst tested residual, steps and seconds.
"""

from __future__ import annotations

import sys
import time

import torch

import mintdsl
from mintdsl.data import DataNotFound, load
from mintdsl.runtime.steps import logit_step


def main() -> None:
    """Print the figures; an argument is the spread of the weights."""
    spread = float(sys.argv[1]) if len(sys.argv) > 1 else 0.06
    try:
        digits = load("mnist", "test").images[:64]
    except DataNotFound as missing:
        raise SystemExit(f"{missing}") from None
    torch.manual_seed(0)
    model = mintdsl.load("specs/mintnet/mnist.mint").compile("Mnist")(dtype=torch.float64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * spread)
        x = (digits.double() + torch.rand(digits.shape, dtype=torch.float64)) / 256
        z, log_det = model(x)
        start = time.perf_counter()
        back, inverse_log_det = model.inverse(z)
        seconds = time.perf_counter() - start
    infos = [m.last_inverse for m in model.modules() if getattr(m, "last_inverse", None) is not None]
    print(f"log-det of the layers, mean     {float((log_det - logit_step(x, 1e-6)[1]).mean()):.1f}")
    print(f"worst error of x                {float((back - x).abs().max()):.1e}")
    print(f"log-det there and back, worst   {float((log_det + inverse_log_det).abs().max()):.1e}")
    print(f"worst residual of a layer       {max(float(i.residual.max()) for i in infos):.1e}")
    print(f"steps of all layers             {sum(i.steps for i in infos)} in {seconds:.1f} s")


if __name__ == "__main__":
    main()
