# error: [E0213] cayley(x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> cayley(x) + 0 * M(x)
}
