# error: [E0403] x / s
mint 1
layer A on Vec[D] ensures injective {
  param s : scale with diag >= 1, diag <= 2
  map x -> x - x / s - x / s
}
