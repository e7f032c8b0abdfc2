# error: [E0401] s
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param s : scale
  map x -> s * x
}
