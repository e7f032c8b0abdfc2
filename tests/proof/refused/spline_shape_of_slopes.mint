# error: [E0301] d
# 4 bins have 3 inner knots
mint 1
layer A on Vec[D] ensures invertible {
  param w, k, d : bias on Vec[4 * D]
  map x -> rq_spline(x, widths = w, heights = k, slopes = d)
}
