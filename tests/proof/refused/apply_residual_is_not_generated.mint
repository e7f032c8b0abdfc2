# error: [E0901] x + Tri(x)
# proved by rule ADD in one order, but a fibre of the inner layer would be needed to invert it
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  map x -> x + Tri(x)
}
layer Tri on Vec[D] ensures lower, diag > 0, invertible {
  param W : linear lower with diag > 0
  map x -> W(x) + tanh(x)
}
