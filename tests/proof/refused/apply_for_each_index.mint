# error: [E0901] Tri(x)
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i : K
  map x -> sum[i](Tri(x))
}
layer Tri on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  map x -> W(x) + tanh(x)
}
