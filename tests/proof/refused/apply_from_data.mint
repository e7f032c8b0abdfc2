# error: [E0901] Own(x)
mint 1
layer A on Vec[D] ensures invertible {
  map x -> 2 * Own(x)
}
layer Own on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0 init from_data
  map x -> s * x
}
