# error: [E0416] x + n(x)
# both parts may grow together: the root of 2
mint 1
net N from Vec[D] to Vec[D] {
    param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.98
  map x -> W(concat(x, tanh(x)))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
