mint 1

# CInC Flow with quad-coupling on ImageNet 32x32 (4.0377 bits per dimension; 4.0140 with affine couplings).
# Nagar, Dufraisse, Varma, 2021, arXiv:2107.01358.

import "cinc/cifar10.mint" { CInCStep }
import "glow/glow.mint" { SplitPrior }

## 3 levels of 48 steps.
flow ImageNet32(depth: Nat = 48, width: Nat = 512) on Image[3, 32, 32] ensures invertible {
  dequantize 256
  standardize(mean = 0.5, std = 1)
  squeeze 2
  repeat depth { CInCStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { CInCStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { CInCStep(width = width) }
  prior learned_normal(per = channel)
}
