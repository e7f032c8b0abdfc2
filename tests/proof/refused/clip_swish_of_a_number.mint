# error: [E0304] clip_swish(2)
mint 1
net N from Vec[4] to Vec[4] { map x -> 0.5 * x + clip_swish(2) }
layer A on Vec[4] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
