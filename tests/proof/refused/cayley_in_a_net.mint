# error: [E0901] cayley(M)(x)
mint 1
net N from Vec[D] to Vec[D] {
  param M : linear with lip <= 0.5
  map x -> cayley(M)(x)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  param b : bias
  map x -> x + n(b)
}
