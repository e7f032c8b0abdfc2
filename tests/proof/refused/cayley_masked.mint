# error: [E0416] cayley(M)(x)
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear lower with diag > 0
  map x -> cayley(M)(x)
}
