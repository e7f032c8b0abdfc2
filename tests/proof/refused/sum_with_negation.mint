# error: [E0403] -(t * x)
mint 1
layer A on Vec[D] ensures injective {
  param s, t : scale with diag > 0
  map x -> s * x + -(t * x)
}
