# error: [E0304] x
mint 1
layer A on S ensures invertible {
  param w : bias
  map x -> rq_spline(x, widths = w, heights = w, slopes = w)
}
