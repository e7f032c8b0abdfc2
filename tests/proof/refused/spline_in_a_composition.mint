# error: [E0901] rq_spline(W(x), widths = w, heights = w, slopes = d)
# proved, but a composition is inverted by other links only
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0
  param w : bias on Vec[2 * D]
  param d : bias on Vec[D]
  map x -> rq_spline(W(x), widths = w, heights = w, slopes = d)
}
