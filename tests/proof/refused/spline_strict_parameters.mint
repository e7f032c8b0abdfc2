# error: [E0415] V(x)
# an autoregressive spline: its parameters read earlier elements, which this version does not follow
mint 1
layer A on Vec[D] ensures lower, invertible {
  param w : bias on Vec[2 * D]
  param V : linear strict lower
  map x -> rq_spline(x, widths = w, heights = w, slopes = V(x))
}
