# error: [E0901] exp(M)
mint 1
layer A on Vec[D] ensures invertible {
  index i : 2
  param M[i] : linear with lip <= 1
  map x -> exp(M)(x)
}
