# error: [E0304] b
mint 1
net N from Vec[D] to Vec[D] {
  param b : scale on Vec[1] with diag != 0
  map x -> 0.5 * swish(x, beta = b)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
