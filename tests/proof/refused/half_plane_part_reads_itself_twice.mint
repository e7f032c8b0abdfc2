# error: [E0414] tl(a) + a
# a FInC group with a skip: the corner's matrix plus 1 may be singular
mint 1
layer A on Image[4, H, W] ensures invertible {
  space Q = Image[2, H, W]
  param tl : conv 3x3 (anchor = bottom_right) on Q with det == 1
  map x {
    let (a, b) = split(x, channel)
    return join(tl(a) + a, b)
  }
}
