# error: [E0210] cayley(M)(x, x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x, x)
}
