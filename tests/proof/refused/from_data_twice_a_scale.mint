# error: [E0710] t * x
mint 1
layer A on Vec[D] ensures invertible {
  param s, t : scale with diag > 0 init from_data
  map x -> s * (t * x)
}
