# error: [E0301] a
mint 1
layer A on Image[C, H, W] ensures invertible {
  param w : bias on Image[2 * C, H, W]
  param a : bias on Image[2 * C, W, H]
  map x -> rq_spline(x, widths = w, heights = a, slopes = w)
}
