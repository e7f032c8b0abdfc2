# error: [E0901] w
mint 1
net N from Vec[D] to Vec[D] {
  index l : 2
  param w[l] : scale on Vec[2] with length == 1
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9
  map x -> W(concat(x, x, weights = w))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
