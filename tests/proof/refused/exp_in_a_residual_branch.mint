# error: [E0901] exp(M)(x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 1
  map x -> x + 0.3 * exp(M)(x)
}
