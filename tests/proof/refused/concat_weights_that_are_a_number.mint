# error: [E0304] 0.7
mint 1
net N from Vec[D] to Vec[D] {
    param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9
  map x -> W(concat(x, x, weights = 0.7))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
