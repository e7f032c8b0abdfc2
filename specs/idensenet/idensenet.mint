mint 1

# Invertible DenseNets with Concatenated LipSwish.
# Perugachi-Diaz, Tomczak, Bhulai, NeurIPS 2021, arXiv:2102.02694.

import "std/actnorm.mint" { ActNorm }

## (w1 u, w2 clip_swish(V u + b)): the channels grow by `grow`, half of them made by V, and the norm does not. The weights
## are learned, with squares that add up to 1, and so is the s of LipSwish, u sigmoid(s u) / 1.1; the released code has 0.98
## of the weights, and s starts there at 0.97, here at 1.
net Grow(grow: Nat) from Image[C, H, W] to Image[C + grow, H, W] {
  space New = Image[grow / 2, H, W]
  param V : conv 3x3 from Image[C, H, W] to New with lip <= 0.98
  param b : bias     on New
  param s : scale    on Vec[1]                  with diag > 0
  param w : scale    on Vec[2]                  with length == 1
  map x -> concat(x, clip_swish(V(x) + b, beta = s), weights = w)
}

## Three dense layers and a 1x1 convolution back.
net DenseBranch(grow: Nat, bound: Real = 0.98) from Image[C, H, W] to Image[C, H, W] {
  param g1 : net Grow(grow = grow) from Image[C, H, W] to Image[C + grow, H, W]
  param g2 : net Grow(grow = grow) from Image[C + grow, H, W] to Image[C + 2 * grow, H, W]
  param g3 : net Grow(grow = grow) from Image[C + 2 * grow, H, W] to Image[C + 3 * grow, H, W]
  param W  : conv 1x1 from Image[C + 3 * grow, H, W] to Image[C, H, W] with lip <= bound
  param b  : bias
  map x -> W(g3(g2(g1(x)))) + b
}

layer DenseBlock(grow: Nat) on Image[C, H, W] ensures invertible, lip < 2 {
  param n : net DenseBranch(grow = grow)
  map x -> x + n(x)
}

## The same of vectors.
net FlatGrow(grow: Nat) from Vec[D] to Vec[D + grow] {
  space New = Vec[grow / 2]
  param V : linear from Vec[D] to New with lip <= 0.98
  param b : bias   on New
  param s : scale  on Vec[1]          with diag > 0
  param w : scale  on Vec[2]          with length == 1
  map x -> concat(x, clip_swish(V(x) + b, beta = s), weights = w)
}

## Three dense layers around what `first` makes of the vector, and a matrix back.
net FlatBranch(first: Nat, grow: Nat, bound: Real = 0.98) from Vec[D] to Vec[D] {
  param V  : linear from Vec[D] to Vec[first] with lip <= 0.98
  param a  : bias on Vec[first]
  param g1 : net FlatGrow(grow = grow) from Vec[first] to Vec[first + grow]
  param g2 : net FlatGrow(grow = grow) from Vec[first + grow] to Vec[first + 2 * grow]
  param g3 : net FlatGrow(grow = grow) from Vec[first + 2 * grow] to Vec[first + 3 * grow]
  param W  : linear from Vec[first + 3 * grow] to Vec[D] with lip <= bound
  param b  : bias
  map x -> W(g3(g2(g1(V(x) + a)))) + b
}

layer FlatBlock(first: Nat, grow: Nat) on Vec[D] ensures invertible, lip < 2 {
  param n : net FlatBranch(first = first, grow = grow)
  map x -> x + n(x)
}

## A block and what follows it. The log-det is unbiased; the series continues with probability > lip^2.
flow Stage(grow: Nat) on Image[C, H, W] ensures invertible, log_det unbiased {
  DenseBlock(grow = grow) log_det roulette(first = 10)
  ActNorm
}

## 3 scales of 16 blocks, and 4 on the flat vector; 32, 32 and 32 for ImageNet.
flow IDenseNet(count: Nat = 16, grow: Nat = 172)
  on Image[3, 32, 32]
  ensures invertible, log_det unbiased
{
  dequantize 256
  logit(0.05)
  ActNorm
  repeat count { Stage(grow = grow) }
  squeeze 2
  repeat count { Stage(grow = grow) }
  squeeze 2
  repeat count { Stage(grow = grow) }
  flatten
  repeat 4 { FlatBlock(first = 64, grow = 32) log_det roulette(first = 10)  ActNorm }
  prior normal
}
