# error: [E0901] cayley(M)
mint 1
layer A on Vec[D] ensures invertible {
  index i : 2
  param M[i] : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
