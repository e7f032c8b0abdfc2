# error: [E0415] w
mint 1
net Bins from Vec[D] to (Vec[2 * D], Vec[2 * D], Vec[D]) {
  param W, K : linear from Vec[D] to Vec[2 * D]
  map a -> (W(a), K(a), a)
}
layer A on Vec[D] ensures invertible {
  param n : net Bins from Vec[D / 2] to (Vec[D], Vec[D], Vec[D / 2])
  map x {
    let (a, b) = split(x, halves)
    let (w, k, d) = n(b)
    return join(a, rq_spline(b, widths = w, heights = k, slopes = d))
  }
}
