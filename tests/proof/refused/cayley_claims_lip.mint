# error: [E0601] lip < 3
# exactly 3 for M = -I / 2
mint 1
layer A on Vec[D] ensures lip < 3 {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
