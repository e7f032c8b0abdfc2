# error: [E0415] w
# the bins read earlier elements, and what is bent reads later ones: each element reads all
mint 1
net Bins from Vec[D] to (Own, Own, Vec[D]) {
  space Own = Vec[2 * D] (degrees = own)
  param W, K : linear strict lower from Vec[D] to Own
  param S : linear strict lower
  map x -> (W(x), K(x), S(x))
}
layer A on Vec[D] ensures invertible {
  param V : linear upper with diag > 0
  param n : net Bins from Vec[D] to (Vec[2 * D], Vec[2 * D], Vec[D])
  map x {
    let (w, k, d) = n(x)
    return rq_spline(V(x), widths = w, heights = k, slopes = d)
  }
}
