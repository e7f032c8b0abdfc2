mint 1

# Jet: A Modern Transformer-Based Normalizing Flow.
# Kolesnikov, Pinto, Tschannen, TMLR 2025, arXiv:2412.15129.

## One transformer layer: every token reads every token.
net JetLayer(heads: Nat) from Seq[T, E] to Seq[T, E] {
  order time
  param n1, n2 : layer_norm
  param A      : attention (heads = heads)
  param V1     : linear               from Seq[T, E] to Seq[T, 4 * E]
  param V2     : linear               from Seq[T, 4 * E] to Seq[T, E]
  param b1     : bias (per = channel) on Seq[T, 4 * E]
  param b2     : bias (per = channel)
  map x {
    let u = x + A(n1(x))
    return u + V2(gelu(V1(n2(u)) + b1)) + b2
  }
}

## A vision transformer whose result starts at zero: shift and scale of the other tokens or channels.
net JetViT(width: Nat, depth: Nat, heads: Nat) from Seq[T, D] to (Seq[T, D], Seq[T, D]) {
  order time
  space Hid = Seq[T, width]
  index l : depth
  param V0     : linear from Seq[T, D] to Hid
  param place  : bias (per = element) on Hid init normal(std = 0.02)
  param B[l]   : net JetLayer(heads = heads) from Hid to Hid
  param last   : layer_norm on Hid
  param Vm, Vs : linear from Hid to Seq[T, D] init zeros
  param bm, bs : bias (per = channel) on Seq[T, D]
  map x {
    let u = last(chain[l](B[l])(V0(x) + place))
    return (Vm(u) + bm, Vs(u) + bs)
  }
}

## Half of the channels of each token, after a fixed permutation of them.
layer ChannelCoupling(width: Nat, depth: Nat, heads: Nat)
  on Seq[T, D]
  ensures lower, diag > 0, invertible
{
  space Half = Seq[T, D / 2]
  param n : net JetViT(width = width, depth = depth, heads = heads) from Half to (Half, Half)
  map x {
    let (a, b) = split(x, channel)
    let (m, s) = n(a)
    return join(a, (b + m) * (2 * sigmoid(s)))
  }
}

## Every other token.
mask tokens = t mod 2

layer SpatialCoupling(width: Nat, depth: Nat, heads: Nat, start: Nat = 0)
  on Seq[T, D]
  ensures invertible
{
  param n : net JetViT(width = width, depth = depth, heads = heads)
    from Seq[T, D] to (Seq[T, D], Seq[T, D])
  map x {
    let (a, b) = split(x, tokens, start = start)
    let (m, s) = n(spread(a))
    return join(a, (b + pick(m, b)) * (2 * sigmoid(pick(s, b))))
  }
}

## Four couplings of channels, each after a permutation of its own.
flow ChannelBlock(width: Nat, depth: Nat) on Seq[T, D] ensures invertible {
  permute(axis = channel, seed = 1)
  ChannelCoupling(width = width, depth = depth, heads = width / 64)
  permute(axis = channel, seed = 2)
  ChannelCoupling(width = width, depth = depth, heads = width / 64)
  permute(axis = channel, seed = 3)
  ChannelCoupling(width = width, depth = depth, heads = width / 64)
  permute(axis = channel, seed = 4)
  ChannelCoupling(width = width, depth = depth, heads = width / 64)
}

## ImageNet 64x64, 3.72 bits per dimension: 32 couplings, four of channels to one of tokens.
flow Jet(width: Nat = 512, depth: Nat = 2) on Image[3, 64, 64] ensures invertible {
  dequantize 256
  standardize(mean = 0.5, std = 0.5)
  patches 4                           # Seq[256, 48]
  repeat 3 {
    ChannelBlock(width = width, depth = depth)
    SpatialCoupling(width = width, depth = depth, heads = width / 64)
    ChannelBlock(width = width, depth = depth)
    SpatialCoupling(width = width, depth = depth, heads = width / 64, start = 1)
  }
  repeat 2 {
    permute(axis = channel, seed = 5)
    ChannelCoupling(width = width, depth = depth, heads = width / 64)
  }
  prior normal
}
