mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  param W : dense strict lower
  map x -> s * x + swish(W(x))
}
