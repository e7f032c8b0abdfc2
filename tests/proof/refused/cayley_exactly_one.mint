# error: [E0416] cayley(M)(x)
# with M = -I there is no (I + M)^-1
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 1
  map x -> cayley(M)(x)
}
