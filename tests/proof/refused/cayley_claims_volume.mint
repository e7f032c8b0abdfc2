# error: [E0601] volume_preserving
# det is (1 - m) / (1 + m)
mint 1
layer A on Vec[D] ensures volume_preserving {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
