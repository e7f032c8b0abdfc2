mint 1

# Mint layers inside of a coupling: the map of one half is triangular layers, a scale and a shift, not only the last two.
# Song, Meng, Ermon, MintNet, NeurIPS 2019, arXiv:1907.07945; Dinh et al., Real NVP, ICLR 2017, arXiv:1605.08803.

import "mintnet/mint.mint" { Mint }
import "std/nets.mint" { ResNet }

## b becomes Mint(Mint(b)) * s + m, a lower and an upper Mint layer; s and m are read from the other half, a.
layer MintCoupling(K: Nat, width: Nat, depth: Nat = 1, start: Nat = 0)
  on Image[C, H, W]
  ensures invertible
{
  space Half = Image[C / 2, H, W]
  param n : net ResNet(width = width, depth = depth) from Half to (Half, Half)
  map x {
    let (a, b) = split(x, channel, start = start)
    let (s, m) = n(a)
    let u = Mint(K = K, tri = upper)(Mint(K = K, tri = lower)(b))
    return join(a, u * sigmoid(s + 2) + m)
  }
}

## Each half of the channels is changed in turn.
flow MintCouplings(K: Nat = 4, width: Nat = 32) on Image[1, 28, 28] ensures invertible {
  dequantize 256
  logit(0.05)
  squeeze 2
  repeat 2 {
    MintCoupling(K = K, width = width, start = 0)
    MintCoupling(K = K, width = width, start = 1)
  }
  prior normal
}
