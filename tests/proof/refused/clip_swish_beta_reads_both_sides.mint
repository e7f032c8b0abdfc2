# error: [E0402] n(x)
# both sides of a channel stand at other places than the channel
mint 1
net N from Vec[2] to Vec[2] {
  param V : linear strict lower
  param W : linear lower from Vec[4] to Vec[2]
  param b : scale on Vec[1] with diag > 0
  map x -> W(clip_swish(V(x), beta = b))
}
layer A on Vec[2] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
