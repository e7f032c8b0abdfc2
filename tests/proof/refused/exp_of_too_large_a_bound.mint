# error: [E0417] exp(M)(x)
# exp(2 c) is what a round trip loses
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 4.5
  map x -> exp(M)(x)
}
