# error: [E0210] rq_spline(x, widths = w, heights = w)
mint 1
layer A on Vec[D] ensures invertible {
  param w : bias on Vec[2 * D]
  map x -> rq_spline(x, widths = w, heights = w)
}
