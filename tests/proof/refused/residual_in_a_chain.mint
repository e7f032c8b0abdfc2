# error: [E0901] s * (x + V(x))
# proved, but the layer would need two kinds of inverse
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0
  param V : linear with lip <= 0.5
  map x -> s * (x + V(x))
}
