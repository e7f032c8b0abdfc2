# error: [E0416] x + cayley(M)(x)
# x - x is 0, and -I is near: no more than lip <= 3 is known
mint 1
layer A on Vec[D] ensures invertible {
  param M : linear with lip <= 0.5
  map x -> x + cayley(M)(x)
}
