# error: [E0416] x + x * V(x)
# nothing bounds x * V(x): its slope grows with x
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear with lip <= 0.5
  map x -> x + x * V(x)
}
