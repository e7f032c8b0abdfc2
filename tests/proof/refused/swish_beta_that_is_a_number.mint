# error: [E0304] 1.5
# that function is written by hand: silu(1.5 * x) / 1.5
mint 1
net N from Vec[D] to Vec[D] {
  map x -> 0.5 * swish(x, beta = 1.5)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
