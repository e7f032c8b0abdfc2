mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  ## later
  param b : bias
  map x -> s * x
}
