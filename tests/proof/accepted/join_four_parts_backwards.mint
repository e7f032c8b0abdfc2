# proves: A: upper, diag > 0, invertible
# class: A: upper, diag in (0, 1]
mint 1

layer A on Image[C, H, W] ensures upper, diag > 0, invertible {
  param V : conv 3x3 on Image[C / 4, H, W]
  map x {
    let (a, b, c, d) = split(x, channel, parts = 4)
    return join(a + V(b) * d, b * sigmoid(V(c) + d), c - d, d)
  }
}
