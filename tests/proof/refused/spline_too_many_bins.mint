# error: [E0305] w
# 20 bins of at least a twentieth each leave nothing to choose
mint 1
layer A on Vec[D] ensures invertible {
  param w, k : bias on Vec[20 * D]
  param d : bias on Vec[19 * D]
  map x -> rq_spline(x, widths = w, heights = k, slopes = d, floor = 0.05)
}
