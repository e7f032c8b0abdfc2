# error: [E0901] V(x) - x
# proved: -(x - V(x)); not generated
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> V(x) - x
}
