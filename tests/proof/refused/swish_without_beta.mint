# error: [E0201] swish
# `swish` with beta = 1 is `silu`
mint 1
net N from Vec[D] to Vec[D] {
  map x -> 0.5 * swish(x)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
