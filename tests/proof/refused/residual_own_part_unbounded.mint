# error: [E0416] t * x + V(x)
# nothing bounds the slope of t * x from above, so no step of Banach's iteration fits all weights
mint 1
layer A on Vec[D] ensures invertible {
  param t : scale with diag >= 1
  param V : linear with lip <= 0.5
  map x -> t * x + V(x)
}
