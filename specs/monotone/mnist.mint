mint 1

# Monotone Flows on MNIST: Ahn, Kim, Hong, Kim, NeurIPS 2022, arXiv:2210.08176. The paper's best model has an activation
# of its own, CPila; here it is that of specs/idensenet, as are the learned weights of each concatenation.

import "monotone/block.mint" { MonotoneBlock, FlatBlock }
import "std/actnorm.mint" { ActNorm }

flow Stage(grow: Nat) on Image[C, H, W] ensures invertible {
  MonotoneBlock(grow = grow) log_det roulette(first = 10)
  ActNorm
}

## 3 scales of 16 blocks and 4 on the flat vector.
flow Mnist(count: Nat = 16, grow: Nat = 172)
  on Image[1, 28, 28]
  ensures invertible, log_det unbiased
{
  dequantize 256
  logit(1e-6)
  repeat count { Stage(grow = grow) }
  squeeze 2
  repeat count { Stage(grow = grow) }
  squeeze 2
  repeat count { Stage(grow = grow) }
  flatten
  repeat 4 { FlatBlock(first = 64, grow = 32) log_det roulette(first = 10) }
  prior normal
}
