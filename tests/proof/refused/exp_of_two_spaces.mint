# error: [E0301] exp(M)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear from Vec[D] to Vec[7] with lip <= 1
  map x -> exp(M)(x)
}
