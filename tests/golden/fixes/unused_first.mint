mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  param d : bias
  map x -> s * x + d
}
