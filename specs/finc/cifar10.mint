mint 1

# FInC Flow on CIFAR-10, 3.39 bits per dimension.
# Kallappa, Nagar, Varma, VISAPP 2023, arXiv:2301.09266.

import "std/actnorm.mint" { ActNorm }
import "std/inv1x1.mint" { Inv1x1 }
import "std/nets.mint" { ConvNet }
import "glow/glow.mint" { SplitPrior }
import "finc/unit.mint" { FInC }

## Affine coupling of the released code, its scale between exp(-2) and exp(2).
layer FInCCoupling(width: Nat) on Image[C, H, W] ensures lower, diag > 0, invertible {
  space Half = Image[C / 2, H, W]
  param n : net ConvNet(width = width) from Half to (Half, Half)
  map x {
    let (a, b) = split(x, channel)
    let (s, m) = n(a)
    return join(a, (b + m) * exp(2 * tanh(s / 2)))
  }
}

flow FInCStep(width: Nat) on Image[C, H, W] ensures invertible {
  FInC
  ActNorm
  Inv1x1
  FInCCoupling(width = width)
}

## 3 levels of 32 steps, 44,156,076 parameters that a mask lets through. The authors' slides say 45 million, and 67 of 48
## steps a level, which has 66,232,428: both are the next whole million.
flow FInCCifar10(depth: Nat = 32, width: Nat = 512) on Image[3, 32, 32] ensures invertible {
  dequantize 256
  logit(1e-6)
  squeeze 2
  repeat depth { FInCStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { FInCStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { FInCStep(width = width) }
  prior learned_normal(per = channel)
}
