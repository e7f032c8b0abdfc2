# error: [E0416] x + n(x)
# at most 1.09984, not less: LipSwish divides by 1.1
mint 1
net N from Vec[D] to Vec[D] {
  param b : scale on Vec[1] with diag > 0
  map x -> 0.91 * swish(x, beta = b)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
