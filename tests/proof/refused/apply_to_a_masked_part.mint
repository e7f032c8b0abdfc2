# error: [E0901] Own(b)
mint 1
layer A on Image[C, H, W] ensures invertible {
  map x {
    let (a, b) = split(x, checkerboard)
    return join(a, Own(b))
  }
}
layer Own on Image[C, H, W] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
