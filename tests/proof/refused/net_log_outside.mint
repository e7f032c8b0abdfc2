# error: [E0407] log(W(x))
mint 1
net N from Vec[D] to (Vec[D], Vec[D]) {
  param V, W : linear strict lower
  map x -> (V(x), log(W(x)))
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net N from Vec[D] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x)
    return x * exp(a) + m
  }
}
