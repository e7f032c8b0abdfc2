# error: [E0416] x + n(x)
# one map of the net has a bound, the other none
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear with lip <= 0.5
  param W : linear
  map x -> V(tanh(W(x)))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
