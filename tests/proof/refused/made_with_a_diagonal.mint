# error: [E0701] diag > 0
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear lower from Vec[D] to Vec[9] with diag > 0
  param W : linear strict lower from Vec[9] to Vec[D]
  map x -> W(V(x))
}
layer A on Vec[D] ensures lower, invertible {
  map x -> x
}
