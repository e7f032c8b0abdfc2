# error: [E0412] rq_spline(a, widths = W(b), heights = W(b), slopes = b)
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear from Vec[D / 2] to Vec[D]
  map x {
    let (a, b) = split(x, halves)
    return join(
      rq_spline(a, widths = W(b), heights = W(b), slopes = b),
      rq_spline(b, widths = W(a), heights = W(a), slopes = a)
    )
  }
}
