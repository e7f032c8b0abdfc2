mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  map x -> x / s(x)
}
