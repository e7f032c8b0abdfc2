mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  param k : linear strict lower (norm = none)
  map x -> s * x + k(x)
}
