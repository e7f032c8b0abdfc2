# error: [E0210] concat(x, x, weights = w, weights = w)
mint 1
net N from Vec[D] to Vec[D] {
  param w : scale on Vec[2] with length == 1
  param W : linear from Vec[2 * D] to Vec[D] with lip <= 0.9
  map x -> W(concat(x, x, weights = w, weights = w))
}
layer A on Vec[D] ensures invertible {
  param n : net N
  map x -> x + n(x)
}
