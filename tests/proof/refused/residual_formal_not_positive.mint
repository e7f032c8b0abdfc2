# error: [E0701] lip <= bound
# a norm is bounded by a number > 0
mint 1
layer A(bound: Real = 0.0) on Vec[D] ensures invertible {
  param V : linear with lip <= bound
  map x -> x + V(x)
}
