# error: [E0209] rows
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale (rows = element) with diag > 0
  map x -> s * x
}
