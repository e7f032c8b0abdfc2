# error: [E0901] exp(M)(x)
mint 1
net N from Vec[D] to Vec[D] {
  param M : linear
  map x -> exp(M)(x)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  param b : bias
  map x -> x + n(b)
}
