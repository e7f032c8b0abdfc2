# error: [E0416] x + n(x, x)
# both inputs are x: 0.6 + 0.6
mint 1
net N from Vec[D], Vec[D] to Vec[D] {
  param V, U : linear with lip <= 0.6
  map x, y -> V(x) + U(y)
}
layer A on Vec[D] ensures invertible {
  param n : net N from Vec[D], Vec[D] to Vec[D]
  map x -> x + n(x, x)
}
