# error: [E0901] cayley(M)(x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> x + 0.3 * cayley(M)(x)
}
