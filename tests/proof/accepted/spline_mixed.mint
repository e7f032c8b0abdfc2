# proves: A: upper, diag != 0, invertible, inverse closed_form
# class: A: upper, diag in (-533333, 1]
# a chain of a shift, a factor, a minus and two splines, whose bins come from parameters and from the other part
mint 1
layer A on Seq[T, D] ensures upper, diag != 0, invertible, inverse closed_form {
  param w, k : bias on Seq[T, 2 * D]
  param s : bias (per = element) on Seq[T, D / 2]
  map x {
    let (a, b) = split(x, strided)
    let u = rq_spline(a + b, widths = w, heights = k, slopes = concat(s, b, tanh(s)), bound = 2, floor = 0.01)
    let v = -u * sigmoid(b) / 3
    return join(rq_spline(v, widths = concat(b, -b), heights = concat(s, b), slopes = b) - b, b)
  }
}
