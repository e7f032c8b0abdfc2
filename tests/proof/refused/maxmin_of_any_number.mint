# error: [E0303] maxmin(x)
# D may be odd
mint 1
net N from Vec[D] to Vec[D] {
  map x -> 0.5 * maxmin(x)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
