# error: [E0901] Tri(b)
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias (per = element)
  map x -> x + Tri(b)
}
layer Tri on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  map x -> W(x) + tanh(x)
}
