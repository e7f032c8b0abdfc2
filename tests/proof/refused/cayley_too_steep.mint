# error: [E0416] cayley(n)(x)
mint 1
net N from Vec[D] to Vec[D] {
  param V, W : linear with lip <= 1.1
  map x -> W(tanh(V(x)))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> cayley(n)(x)
}
