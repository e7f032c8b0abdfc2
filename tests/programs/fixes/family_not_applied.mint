mint 1
layer A on Vec[D] {
  param s : scale with diag > 0
  index i : 2
  param W[i] : linear lower
  map x -> s * x + sum[i](W[i])
}
