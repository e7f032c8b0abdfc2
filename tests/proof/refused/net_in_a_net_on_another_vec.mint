# error: [E0402] n(x)
# the inner net has positions of hidden units on Vec[M], also where a use gives M the value of D
mint 1
net N from Vec[D] to Vec[M] {
  param V : linear strict upper from Vec[D] to Vec[M]
  map x -> V(x)
}
net Outer from Vec[D] to Vec[D] {
  param n : net N from Vec[D] to Vec[D]
  map x -> n(x)
}
layer A on Vec[D] ensures upper, diag == 1, invertible {
  param n : net Outer from Vec[D] to Vec[D]
  map x -> x + n(x)
}
