# error: [E0409] exp(M)(x)
mint 1
layer A on Vec[D] ensures lower, invertible {
  param M : linear with lip <= 1
  map x -> exp(M)(x)
}
