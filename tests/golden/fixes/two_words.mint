mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  param W : linear lower
  map x -> s * x
}
