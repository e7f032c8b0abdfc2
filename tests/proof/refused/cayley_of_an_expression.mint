# error: [E0901] cayley(M)(2 * x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(2 * x)
}
