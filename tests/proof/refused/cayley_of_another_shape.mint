# error: [E0301] x
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear on Vec[3] with lip <= 0.5
  map x -> cayley(M)(x)
}
