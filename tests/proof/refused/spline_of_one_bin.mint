# error: [E0305] rq_spline(x, widths = w, heights = w, slopes = d)
# D = 1: two numbers an element are two bins, one number is none
mint 1
layer A(bins: Nat) on Vec[D] ensures invertible {
  param w : bias on Vec[bins * D]
  param d : bias on Vec[bins * D - D]
  map x -> rq_spline(x, widths = w, heights = w, slopes = d)
}
flow F on Vec[3] ensures invertible { A(bins = 1) }
