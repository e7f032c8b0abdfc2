# error: [E0402] n(x)
# Vec[M] is one of hidden units: with M = D = 4 its masks let result 3 read input 3
mint 1
net N from Vec[D] to Vec[M] {
  param V : linear strict upper from Vec[D] to Vec[M]
  map x -> V(x)
}
layer A on Vec[D] ensures upper, diag == 1, invertible {
  param n : net N from Vec[D] to Vec[D]
  map x -> x + n(x)
}
