# error: [E0301] x
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear on Vec[7] with lip <= 1
  map x -> exp(M)(x)
}
