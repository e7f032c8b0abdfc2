# error: [E0901] exp(M)(b)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 1
  param b : bias
  map x -> 2 * x + exp(M)(b)
}
