# error: [E0416] x + s * V(x)
# a scale inside of the branch multiplies its bound by its own, and this has none
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0
  param V : linear with lip <= 0.9
  map x -> x + s * V(x)
}
