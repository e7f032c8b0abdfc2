# error: [E0213] cayley(M, N)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  param N : linear with lip <= 0.1
  map x -> cayley(M, N)(x)
}
