# proves: A: invertible
# class: A: lower, diag in [1.35e-05, 133.333]
# parts of a mask keep the whole layout, and so do the parameters of their splines
mint 1
layer A on Image[C, H, W] ensures invertible {
  param V : conv 3x3 from Image[C, H, W] to Image[2 * C, H, W]
  param S : conv 1x1 on Image[C, H, W]
  map x {
    let (a, b) = split(x, checkerboard)
    let u = spread(a)
    return join(a, rq_spline(b, widths = V(u), heights = V(-u), slopes = S(u), floor = 0.03))
  }
}
