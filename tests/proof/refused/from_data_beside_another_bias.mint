# error: [E0710] s * x + b
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0 init from_data
  param b : bias
  map x -> s * x + b
}
