# error: [E0301] *
mint 1

layer A on Image[C, H, W] ensures invertible {
  map x {
    let (a, b) = split(x, checkerboard)
    return join(a, b * a)
  }
}
