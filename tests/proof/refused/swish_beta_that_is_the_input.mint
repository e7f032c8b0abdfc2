# error: [E0304] x
mint 1
net N from Vec[D] to Vec[D] {
  map x -> 0.5 * swish(x, beta = x)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
