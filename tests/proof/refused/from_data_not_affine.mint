# error: [E0710] s * x + tanh(x)
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0 init from_data
  map x -> s * x + tanh(x)
}
