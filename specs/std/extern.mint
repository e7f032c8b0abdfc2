mint 1

# A coupling whose network is an nn.Module of your own, given to the constructor: `Model(conditioner = make)`.
# Dinh, Sohl-Dickstein, Bengio, Real NVP, ICLR 2017, arXiv:1605.08803, section 3.2: scale and shift are arbitrary
# functions of the half that stays as it is, so nothing is asked of the network but its shapes.

extern net Conditioner from Image[C, H, W] to (Image[C, H, W], Image[C, H, W])

## b becomes b * exp(tanh(s)) + m; your network makes s and m of the other half, a.
layer ExternCoupling(start: Nat = 0)
  on Image[C, H, W]
  ensures invertible, log_det exact, inverse closed_form
{
  space Half = Image[C / 2, H, W]
  param n : net Conditioner from Half to (Half, Half)
  map x {
    let (a, b) = split(x, channel, start = start)
    let (s, m) = n(a)
    return join(a, b * exp(tanh(s)) + m)
  }
}

## Each half of the channels is changed in turn, with a network of its own each time.
flow ExternCouplings(K: Nat = 2) on Image[1, 28, 28] ensures invertible {
  dequantize 256
  logit(0.05)
  squeeze 2
  repeat K {
    ExternCoupling
    ExternCoupling(start = 1)
  }
  prior normal
}
