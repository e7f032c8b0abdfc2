# error: [E0901] rq_spline(x, widths = w, heights = w, slopes = d, floor = f)
mint 1
layer A(f: Real) on Vec[D] ensures invertible {
  param w : bias on Vec[2 * D]
  param d : bias on Vec[D]
  map x -> rq_spline(x, widths = w, heights = w, slopes = d, floor = f)
}
