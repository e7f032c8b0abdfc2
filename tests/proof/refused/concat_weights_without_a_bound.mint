# error: [E0304] w
mint 1
net N from Vec[D] to Vec[D] {
  param w : scale on Vec[2] with diag > 0
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9
  map x -> W(concat(x, tanh(x), weights = w))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
