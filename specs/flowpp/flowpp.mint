mint 1

# Flow++: couplings by the distribution function of a mixture of logistics, then an affine map.
# Ho, Chen, Srinivas, Duan, Abbeel, ICML 2019, arXiv:1902.00275: section 3.2, equations 11 to 13; section 4 for sizes.
#
# The couplings, their order and their masks are those of the CIFAR-10 model. Left out of its conditioners: attention
# over places (section 3.3), layer normalisation and dropout. Left out of its density: variational dequantization
# (section 3.1), which needs a flow that makes the noise; noise is uniform here, and bits per dimension are higher.

import "std/actnorm.mint" { ActNorm }
import "std/inv1x1.mint" { Inv1x1 }

## One gated residual block.
net Block from Image[C, H, W] to Image[C, H, W] {
  act h = elu
  param V1         : conv 3x3
  param V2, Vg     : conv 1x1
  param b1, b2, bg : bias
  map x {
    let u = h(V1(h(x)) + b1)
    return x + (V2(u) + b2) * sigmoid(Vg(u) + bg)
  }
}

## `n` logits, means and log-scales for each coordinate; logarithm of a factor, and shift, which start at 0.
net MixNet(width: Nat, depth: Nat, n: Nat)
  from Image[C, H, W]
  to (Image[n * C, H, W], Image[n * C, H, W], Image[n * C, H, W], Image[C, H, W], Image[C, H, W])
{
  space Hid = Image[width, H, W]
  index l : depth
  param V0         : conv 3x3  from Image[C, H, W] to Hid
  param B[l]       : net Block from Hid to Hid
  param Vl, Vm, Vs : conv 3x3  from Hid to Image[n * C, H, W]
  param Va, Vt     : conv 3x3  from Hid to Image[C, H, W] init zeros
  param b0         : bias      on Hid
  param bl, bm, bs : bias      on Image[n * C, H, W]
  param ba, bt     : bias      on Image[C, H, W]
  map x {
    let u = chain[l](B[l])(V0(x) + b0)
    return (Vl(u) + bl, Vm(u) + bm, Vs(u) + bs, tanh(Va(u) + ba), Vt(u) + bt)
  }
}

## Half of the channels is changed, by what the other half says.
layer ChannelCoupling(width: Nat, depth: Nat, n: Nat)
  on Image[C, H, W]
  ensures lower, diag > 0, invertible, inverse elementwise
{
  space Half = Image[C / 2, H, W]
  param net1 : net MixNet(width = width, depth = depth, n = n)
    from Half to (Image[n * C / 2, H, W], Image[n * C / 2, H, W], Image[n * C / 2, H, W], Half, Half)
  map x {
    let (a, b) = split(x, channel)
    let (l, m, s, log_factor, shift) = net1(a)
    return join(a, mix_logistic(b, logits = l, means = m, log_scales = s) * exp(log_factor) + shift)
  }
}

## One colour of a checkerboard is changed, by what the other says; `start` chooses it.
layer CheckerCoupling(width: Nat, depth: Nat, n: Nat, start: Nat)
  on Image[C, H, W]
  ensures lower, diag > 0, invertible, inverse elementwise
{
  param net1 : net MixNet(width = width, depth = depth, n = n)
    from Image[C, H, W] to (Image[n * C, H, W], Image[n * C, H, W], Image[n * C, H, W], Image[C, H, W], Image[C, H, W])
  map x {
    let (a, b) = split(x, checkerboard, start = start)
    let (l, m, s, log_factor, shift) = net1(spread(a))
    return join(
      a,
      mix_logistic(b, logits = l, means = m, log_scales = s) * exp(pick(log_factor, b))
        + pick(shift, b),
    )
  }
}

## Either colour once.
flow CheckerPair(width: Nat, depth: Nat, n: Nat) on Image[C, H, W] ensures invertible {
  ActNorm
  Inv1x1
  CheckerCoupling(width = width, depth = depth, n = n, start = 0)
  ActNorm
  Inv1x1
  CheckerCoupling(width = width, depth = depth, n = n, start = 1)
}

flow ChannelStep(width: Nat, depth: Nat, n: Nat) on Image[C, H, W] ensures invertible {
  ActNorm
  Inv1x1
  ChannelCoupling(width = width, depth = depth, n = n)
}

## CIFAR-10: four checkerboards, two halves, three checkerboards. Published: 3.08 bits per dimension, with all parts.
flow FlowppCifar10(width: Nat = 96, depth: Nat = 10, n: Nat = 32)
  on Image[3, 32, 32]
  ensures invertible
{
  dequantize 256
  logit(0.05)
  repeat 2 { CheckerPair(width = width, depth = depth, n = n) }
  squeeze 2
  repeat 2 { ChannelStep(width = width, depth = depth, n = n) }
  CheckerPair(width = width, depth = depth, n = n)
  ActNorm
  Inv1x1
  CheckerCoupling(width = width, depth = depth, n = n, start = 0)
  prior normal
}

## The same on 8 x 8 gray images, small enough to try.
flow FlowppTiny(width: Nat = 8, depth: Nat = 1, n: Nat = 4) on Image[1, 8, 8] ensures invertible {
  dequantize 256
  logit(0.05)
  CheckerPair(width = width, depth = depth, n = n)
  squeeze 2
  repeat 2 { ChannelStep(width = width, depth = depth, n = n) }
  prior normal
}
