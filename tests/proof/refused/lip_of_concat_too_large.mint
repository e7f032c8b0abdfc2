# error: [E0416] x + n(x)
# 0.8 beside 0.8 is 1.13
mint 1
net N from Vec[D] to Vec[D] {
  param V, U : linear with lip <= 0.8
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9
  map x -> W(concat(V(x), U(x)))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
