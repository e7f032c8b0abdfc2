# error: [E0210] clip_swish(x, x)
mint 1
net N from Vec[4] to Vec[8] { map x -> 0.5 * clip_swish(x, x) }
layer A on Vec[4] ensures invertible {
  param n : net N from Vec[4] to Vec[8]
  map x -> x + n(x)
}
