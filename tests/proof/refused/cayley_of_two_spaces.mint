# error: [E0301] cayley(M)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear from Vec[D] to Vec[2] with lip <= 0.5
  map x -> cayley(M)(x)
}
