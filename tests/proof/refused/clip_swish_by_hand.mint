# error: [E0416] x + n(x)
# each channel is 1 / 1.004 as steep; that the two are never so at one place is known of `clip_swish` alone
mint 1
act lip_swish(u) = silu(u) / 1.1
net N from Vec[D] to Vec[D] {
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.98
  map x -> W(concat(lip_swish(x), lip_swish(-x)) / 1.004)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
