# error: [E0401] s
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag >= 0
  map x -> s * x
}
