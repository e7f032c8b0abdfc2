# error: [E0305] rq_spline(x, widths = w, heights = k, slopes = d, floor = 0.05)
mint 1
layer A(bins: Nat) on Vec[D] ensures invertible {
  param w, k : bias on Vec[bins * D]
  param d : bias on Vec[bins * D - D]
  map x -> rq_spline(x, widths = w, heights = k, slopes = d, floor = 0.05)
}
flow F on Vec[3] ensures invertible { A(bins = 4) A(bins = 20) }
