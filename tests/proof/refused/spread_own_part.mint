# error: [E0409] spread(b)
mint 1
layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3
  map x {
    let (a, b) = split(x, checkerboard)
    return join(a, b + pick(V(spread(b)), b))
  }
}
