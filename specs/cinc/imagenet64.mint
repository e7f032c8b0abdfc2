mint 1

# CInC Flow with quad-coupling on ImageNet 64x64 (3.8514 bits per dimension; 3.8946 with affine couplings).
# Nagar, Dufraisse, Varma, 2021, arXiv:2107.01358.

import "cinc/cifar10.mint" { CInCStep }
import "glow/glow.mint" { SplitPrior }

## 4 levels of 48 steps.
flow ImageNet64(depth: Nat = 48, width: Nat = 512) on Image[3, 64, 64] ensures invertible {
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
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { CInCStep(width = width) }
  prior learned_normal(per = channel)
}
