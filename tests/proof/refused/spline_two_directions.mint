# error: [E0415] d
# widths read earlier elements, slopes later ones
mint 1
net Bins from Vec[D] to (Own, Own, Vec[D]) {
  space Own = Vec[2 * D] (degrees = own)
  param W, K : linear strict lower from Vec[D] to Own
  param S : linear strict upper
  map x -> (W(x), K(x), S(x))
}
layer A on Vec[D] ensures invertible {
  param n : net Bins from Vec[D] to (Vec[2 * D], Vec[2 * D], Vec[D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(x, widths = w, heights = k, slopes = d)
  }
}
