# error: [E0417] exp(M)(x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear lower
  map x -> exp(M)(x)
}
