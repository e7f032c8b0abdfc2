# error: [E0710] s
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag == 1 init from_data
  map x -> s * x
}
