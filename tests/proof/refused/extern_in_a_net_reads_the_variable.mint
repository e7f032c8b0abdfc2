# error: [E0402] n(x)
mint 1
# masks around it do not make it strict
extern net N from Vec[D] to Vec[D]
net M from Vec[D] to Vec[D] {
  param V, W : linear strict lower
  param n : net N
  map x -> V(n(W(x)))
}
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param n : net M
  map x -> x + n(x)
}
