# error: [E0710] s / (x + sigmoid(x))
mint 1
layer A on Vec[D] {
  param s : scale with diag > 0 init from_data
  map x -> s / (x + sigmoid(x))
}
