mint 1

# Invertible DenseNets with Concatenated LipSwish.
# Perugachi-Diaz, Tomczak, Bhulai, NeurIPS 2021, arXiv:2102.02694.

import "std/actnorm.mint" { ActNorm }

## u * sigmoid(u) / 1.1, 1-Lipschitz.
act lip_swish(u) = silu(u) / 1.1

## (0.6 u, 0.8 h(V u + b)): the channels grow by `grow`, the norm does not. The paper learns the two weights, with the
## same sum of squares; it has lip_swish(u) beside lip_swish(-u), whose bound of 1.004 takes more than the bounds of
## both slopes, and one of them here.
net Grow(grow: Nat, h: Act = lip_swish) from Image[C, H, W] to Image[C + grow, H, W] {
  space New = Image[grow, H, W]
  param V : conv 3x3 from Image[C, H, W] to New with lip <= 1
  param b : bias     on New
  map x -> concat(0.6 * x, 0.8 * h(V(x) + b))
}

## Three dense layers and a 1x1 convolution back.
net DenseBranch(grow: Nat, bound: Real = 0.98) from Image[C, H, W] to Image[C, H, W] {
  param g1 : net Grow(grow = grow) from Image[C, H, W] to Image[C + grow, H, W]
  param g2 : net Grow(grow = grow) from Image[C + grow, H, W] to Image[C + 2 * grow, H, W]
  param g3 : net Grow(grow = grow) from Image[C + 2 * grow, H, W] to Image[C + 3 * grow, H, W]
  param W  : conv 1x1 from Image[C + 3 * grow, H, W] to Image[C, H, W] with lip <= bound
  map x -> W(g3(g2(g1(x))))
}

layer DenseBlock(grow: Nat) on Image[C, H, W] ensures invertible, lip < 2 {
  param n : net DenseBranch(grow = grow)
  map x -> x + n(x)
}

## 3 scales of 10 blocks; a flow without a prior, since its log-det is an estimate at this size.
flow IDenseNet(count: Nat = 10, grow: Nat = 172) on Image[3, 32, 32] ensures invertible {
  repeat count { ActNorm  DenseBlock(grow = grow) }
  squeeze 2
  repeat count { ActNorm  DenseBlock(grow = grow) }
  squeeze 2
  repeat count { ActNorm  DenseBlock(grow = grow) }
}
