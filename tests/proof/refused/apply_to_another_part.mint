# error: [E0901] Tri(a)
mint 1
layer A on Vec[D] ensures invertible {
  map x {
    let (a, b) = split(x, halves)
    return join(a, b + Tri(a))
  }
}
layer Tri on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  map x -> W(x) + tanh(x)
}
