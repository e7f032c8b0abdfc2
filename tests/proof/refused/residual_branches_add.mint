# error: [E0416] (x + V(x)) + V(x)
# x + V(x) is a bijection, and x + 2 V(x) may fold
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.6
  map x -> (x + V(x)) + V(x)
}
