# error: [E0301] a
mint 1
layer A on Image[C, H, W] ensures invertible {
  param M : conv 3x3 with lip <= 1
  map x {
    let (a, b) = split(x, checkerboard)
    return join(exp(M)(a), b)
  }
}
