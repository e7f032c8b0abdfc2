mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  param b : bias
  map x -> s * (b + x)
}
