# error: [E0901] cayley(M)(x) + b
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  param b : bias
  map x -> cayley(M)(x) + b
}
