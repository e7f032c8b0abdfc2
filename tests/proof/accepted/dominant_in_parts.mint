# proves: A: invertible, inverse iterative
# class: A: dense
mint 1
layer A on Image[C, H, W] ensures invertible, inverse iterative {
  space Q = Image[C / 2, H, W]
  param V : conv 3x3 (dilation = 2) on Q with det != 0 via dominant init near_identity
  param W : conv 3x5 on Q with det != 0 via dominant
  map x {
    let (a, b) = split(x, channel)
    return join(V(a), W(b) * exp(tanh(a)))
  }
}
