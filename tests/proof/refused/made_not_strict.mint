# error: [E0410] x * exp(W(x))
mint 1
layer A on Vec[D] ensures lower, diag > 0 {
  param W : linear lower
  map x -> x * exp(W(x))
}
