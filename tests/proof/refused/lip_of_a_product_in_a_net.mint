# error: [E0416] x + n(x)
# x * tanh(x) is as steep as x is large
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear with lip <= 0.5
  map x -> V(x) * tanh(x)
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
