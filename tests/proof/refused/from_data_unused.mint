# error: [E0710] b
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0 init from_data
  param b : bias init from_data  # allow: W0201
  map x -> s * x
}
