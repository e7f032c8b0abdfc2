mint 1
layer A on Vec[D] {
  param s : scale (per = chanel) with diag > 0
  map x -> s * x
}
