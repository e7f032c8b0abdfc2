# error: [E0412] tl(a) + b
mint 1
layer A on Image[4, H, W] ensures invertible {
  space Q = Image[2, H, W]
  param tl, tr : conv 3x3 (anchor = bottom_right) on Q with det == 1
  map x {
    let (a, b) = split(x, channel)
    return join(tl(a) + b, tr(b) + a)
  }
}
