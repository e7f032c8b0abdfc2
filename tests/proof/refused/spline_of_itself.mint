# error: [E0415] tanh(b)
# a spline whose slopes move with the element that it bends may fold
mint 1
layer A on Vec[D] ensures invertible {
  param w : bias on Vec[D]
  param V : linear from Vec[D / 2] to Vec[D]
  map x {
    let (a, b) = split(x, halves)
    return join(a, rq_spline(b, widths = w, heights = V(a), slopes = tanh(b)))
  }
}
