mint 1

# Implicit Normalizing Flows: z + g2(z) = x + g1(x).
# Lu, Chen, Li, Wang, Zhu, ICLR 2021, arXiv:2103.09527.

import "iresnet/block.mint" { IResBlock }
import "std/actnorm.mint" { ActNorm }

## u * sigmoid(u) / 1.1, 1-Lipschitz.
act lip_swish(u) = silu(u) / 1.1

## z = (I + g2)^-1 (I + g1) x: a residual layer, and one in its inverse direction. The first makes distances at most
## 1 + L times larger, the second at most 1 / (1 - L) times.
flow ImpBlock(width: Nat) on Image[C, H, W] ensures invertible {
  ActNorm
  IResBlock(width = width, bound = 0.98, h = lip_swish) log_det roulette(first = 10)
  IResBlock(
    width = width,
    bound = 0.98,
    h = lip_swish,
    direction = inverse,
  ) log_det roulette(first = 10)
}

## Such blocks in three scales, with the branches of Residual Flows.
flow ImpFlow(count: Nat = 4, width: Nat = 512)
  on Image[3, 32, 32]
  ensures invertible, log_det unbiased
{
  dequantize 256
  logit(0.05)
  repeat count { ImpBlock(width = width) }
  squeeze 2
  repeat count { ImpBlock(width = width) }
  squeeze 2
  repeat count { ImpBlock(width = width) }
  prior normal
}
