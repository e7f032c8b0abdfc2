# error: [E0301] w
# no number of bins gives D / 2 elements 3 D + 1 values
mint 1
layer A on Vec[D] ensures invertible {
  param w, k : bias on Vec[3 * D + 1]
  param d : bias on Vec[D]
  map x {
    let (a, b) = split(x, halves)
    return join(a, rq_spline(b, widths = w, heights = k, slopes = d))
  }
}
