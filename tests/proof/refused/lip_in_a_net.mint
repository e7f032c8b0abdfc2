# error: [E0901] V
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear with lip <= 0.5
  map x -> V(x)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
