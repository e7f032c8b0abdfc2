# error: [E0901] swish(x, beta = b)
mint 1
layer A on Vec[4] ensures invertible {
  param b : scale on Vec[1] with diag > 0
  map x -> x + 0.5 * swish(x, beta = b)
}
