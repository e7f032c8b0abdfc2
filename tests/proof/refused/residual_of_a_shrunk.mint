# error: [E0416] 0.5 * x + V(x)
# x / 2 + V(x) with V = -I / 2 is 0 everywhere
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.6
  map x -> 0.5 * x + V(x)
}
