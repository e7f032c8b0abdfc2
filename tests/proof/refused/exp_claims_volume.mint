# error: [E0601] volume_preserving
# log det = trace
mint 1
layer A on Vec[D] ensures volume_preserving {
  param M : linear with lip <= 1
  map x -> exp(M)(x)
}
