# error: [E0416] x - exp(M)(x)
# M = 0 makes it 0
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 1
  map x -> x - exp(M)(x)
}
