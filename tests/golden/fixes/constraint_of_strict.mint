mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  param W : linear strict lower init zeros
  map x -> s * x + W(x)
}
