# error: [E0402] n(x)
# an entry of a pair reads the other one
mint 1
net N from Vec[4] to Vec[4] {
  param V : linear strict lower
  map x -> maxmin(V(x))
}
layer A on Vec[4] ensures lower, diag > 0 {
  param n : net N
  map x -> x + n(x)
}
