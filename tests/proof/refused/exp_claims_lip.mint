# error: [E0601] lip < 2.7
# exp(1) = 2.718...
mint 1
layer A on Vec[D] ensures invertible, lip < 2.7 {
  param M : linear with lip <= 1
  map x -> exp(M)(x)
}
