# error: [E0402] n(b, x)
mint 1
net N from Vec[D], Vec[M] to (Vec[D], Vec[M]) {
  param V : linear strict lower from Vec[M] to Vec[M]
  param W : linear strict lower
  map x, y -> (W(x), V(y))
}
layer A on Vec[D] ensures lower, invertible {
  param b : bias
  param n : net N from Vec[D], Vec[D] to (Vec[D], Vec[D])
  map x {
    let (p, q) = n(b, x)
    return 3 * x + q
  }
}
