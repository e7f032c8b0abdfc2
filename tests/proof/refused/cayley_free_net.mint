# error: [E0416] cayley(n)(x)
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear with lip <= 0.5
  param W : linear
  map x -> V(tanh(W(x)))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> cayley(n)(x)
}
