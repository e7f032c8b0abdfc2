# error: [E0416] x + n(x)
# the bound of clip_swish is 1, whatever beta is
mint 1
net N from Vec[D] to Vec[D] {
  param b : scale on Vec[1] with diag > 0
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 1
  map x -> W(clip_swish(x, beta = b))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
