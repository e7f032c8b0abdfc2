mint 1

# Glow's steps on MNIST.
# Kingma, Dhariwal, NeurIPS 2018, arXiv:1807.03039, has no number for MNIST; the released loader pads the digits to
# 32x32 and repeats them as three colours, so what others report for it counts other dimensions.

import "glow/glow.mint" { GlowStep, SplitPrior }

## 2 levels, as 28 halves twice, of 32 steps.
flow Mnist(depth: Nat = 32, width: Nat = 512) on Image[1, 28, 28] ensures invertible {
  dequantize 256
  standardize(mean = 0.5, std = 1)
  squeeze 2                                       # Image[4, 14, 14]
  repeat depth { GlowStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2                                       # Image[8, 7, 7]
  repeat depth { GlowStep(width = width) }
  prior learned_normal(per = channel)
}
