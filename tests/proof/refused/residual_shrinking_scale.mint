# error: [E0416] t * x + V(x)
# t may be 0.3, and V = -0.3 I
mint 1
layer A on Vec[D] ensures invertible {
  param t : scale with diag >= 0.3, diag <= 2
  param V : linear with lip <= 0.3
  map x -> t * x + V(x)
}
