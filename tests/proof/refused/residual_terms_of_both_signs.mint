# error: [E0414] x + V(x) - x
# x + V(x) is a bijection; with -x it is V
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + V(x) - x
}
