# error: [E0415] w
# a part of the variable: the positions of its elements are not followed
mint 1
net Bins from Vec[E] to (Own, Own, Vec[E]) {
  space Own = Vec[2 * E] (degrees = own)
  param W, K : linear strict lower from Vec[E] to Own
  param S : linear strict lower
  map x -> (W(x), K(x), S(x))
}
layer A on Vec[D] ensures invertible {
  param n : net Bins from Vec[D / 2] to (Vec[D], Vec[D], Vec[D / 2])
  map x {
    let (a, b) = split(x, halves)
    let (w, k, d) = n(b)
    return join(a, rq_spline(b, widths = w, heights = k, slopes = d))
  }
}
