# proves: A: diagonal, diag > 0, invertible
# proves: B: lower, diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
# class: B: lower, diag in (0, inf)
# one spline for each element, the same for all inputs: a map of its own, and after a masked one
mint 1
layer A on Vec[D] ensures diagonal, diag > 0, invertible {
  param t : scale with diag > 0
  param w, k : bias on Vec[8 * D]
  param s : bias on Vec[7 * D]
  map x -> rq_spline(t * x, widths = w, heights = k, slopes = s, bound = 4) + tanh(x)
}
layer B on Image[C, H, W] ensures lower, diag > 0, invertible {
  order channel_major
  param W : conv 3x3 lower with diag > 0
  param w, k : bias on Image[4 * C, H, W]
  param s : bias (per = element) on Image[3 * C, H, W]
  map x -> rq_spline(W(x), widths = w, heights = k, slopes = s)
}
