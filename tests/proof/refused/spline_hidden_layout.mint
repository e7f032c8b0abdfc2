# error: [E0415] w
# results that stand where hidden units do: numbers of element 1 read element 1
mint 1
net Bins from Vec[D] to (Vec[2 * D], Vec[2 * D], Vec[D]) {
  param W, K : linear strict lower from Vec[D] to Vec[2 * D]
  param S : linear strict lower
  map x -> (W(x), K(x), S(x))
}
layer A on Vec[D] ensures lower, invertible {
  param n : net Bins from Vec[D] to (Vec[2 * D], Vec[2 * D], Vec[D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(x, widths = w, heights = k, slopes = d)
  }
}
