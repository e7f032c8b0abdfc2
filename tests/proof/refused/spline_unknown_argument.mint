# error: [E0209] knots
mint 1
layer A on Vec[D] ensures invertible {
  param w : bias on Vec[2 * D]
  param d : bias on Vec[D]
  map x -> rq_spline(x, widths = w, heights = w, slopes = d, knots = 3)
}
