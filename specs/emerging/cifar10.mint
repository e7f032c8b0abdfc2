mint 1

# Emerging on CIFAR-10, 3.34 bits per dimension.
# Hoogeboom, van den Berg, Welling, ICML 2019, arXiv:1901.11137.

import "std/actnorm.mint" { ActNorm }
import "std/inv1x1.mint" { Inv1x1, Inv1x1QR }
import "glow/glow.mint" { Coupling, SplitPrior }
import "emerging/pair.mint" { Emerging }

## The 1x1 convolution is a step of its own, as in the runs that were published: its log-det is counted once. With the
## bias of the released code behind the pair, which the next actnorm holds too, each step has C more.
flow EmergingStep(width: Nat) on Image[C, H, W] ensures invertible {
  ActNorm
  Inv1x1
  Emerging
  Coupling(width = width)
}

## The step with the matrix in its form Q R.
flow EmergingQRStep(width: Nat) on Image[C, H, W] ensures invertible {
  ActNorm
  Inv1x1QR
  Emerging
  Coupling(width = width)
}

## 3 levels of 32 steps.
flow EmergingCifar10(depth: Nat = 32, width: Nat = 512) on Image[3, 32, 32] ensures invertible {
  dequantize 256
  standardize(mean = 0.5, std = 1)
  squeeze 2
  repeat depth { EmergingStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { EmergingStep(width = width) }
  factor half (keep = first, prior = SplitPrior)
  squeeze 2
  repeat depth { EmergingStep(width = width) }
  prior learned_normal(per = channel)
}
