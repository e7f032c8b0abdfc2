# error: [*]
# a part of a mask has no channels of its own
mint 1
layer A on Image[2, 2, 2] ensures invertible {
  param W : conv 2x2 (anchor = bottom_right) with det == 1
  map x {
    let (a, b) = split(x, checkerboard)
    return join(W(a), b)
  }
}
