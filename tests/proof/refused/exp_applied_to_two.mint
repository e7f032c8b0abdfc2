# error: [E0210] exp(M)(x, x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 1
  map x -> exp(M)(x, x)
}
