# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in [5e-10, 4000]
# two bins have one slope between them for each element: a strict matrix makes it of earlier elements
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param w : bias on Vec[2 * D]
  param V : linear strict lower
  map x -> rq_spline(x, widths = w, heights = w, slopes = V(x))
}
