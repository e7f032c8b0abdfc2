mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0
  map x -> x + -(s * x)
}
