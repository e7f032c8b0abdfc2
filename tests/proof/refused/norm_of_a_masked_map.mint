# error: [E0209] linear lower (norm = weight)
mint 1
layer A on Vec[D] ensures lower, invertible {
  param W : linear lower (norm = weight) with diag > 0
  map x -> W(x)
}
