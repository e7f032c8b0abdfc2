# error: [E0901] W
mint 1
net N from Vec[D] to Vec[D] {
  param W : linear with det != 0
  map x -> W(x)
}
layer A on Vec[D] ensures invertible {
  param b : bias
  param n : net N
  map x -> x + n(b)
}
