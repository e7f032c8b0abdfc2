# error: [E0104] order
mint 1
layer A on Vec[D] ensures invertible {
  param order : scale with diag > 0
  map x -> order * x
}
