mint 1

# Glow on ImageNet 32x32, 4.09 bits per dimension.
# Kingma, Dhariwal, NeurIPS 2018, arXiv:1807.03039.

import "glow/glow.mint" { GlowStep, SplitPrior }

## 3 levels of 48 steps, 65,925,996 parameters (66.2 million as published, see glow.mint).
flow ImageNet32(depth: Nat = 48, width: Nat = 512) on Image[3, 32, 32] ensures invertible {
  dequantize 256
  standardize(mean = 0.5, std = 1)
  squeeze 2
  repeat depth { GlowStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { GlowStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { GlowStep(width = width) }
  prior learned_normal(per = channel)
}
