# error: [E0416] x + W(x)
# x - x folds; a bound of 1 is no contraction
mint 1
layer A on Vec[D] ensures invertible {
  param W : linear with lip <= 1
  map x -> x + W(x)
}
