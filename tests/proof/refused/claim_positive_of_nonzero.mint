# error: [E0404] s * x
mint 1
layer A on Vec[D] ensures diag > 0 {
  param s : scale with diag != 0
  map x -> s * x
}
