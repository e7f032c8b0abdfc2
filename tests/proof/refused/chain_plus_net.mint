# error: [E0414] W(x) + n(x)
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear
  map x -> V(x)
}
layer A on Vec[D] ensures invertible {
  param W : linear with det != 0
  param n : net N
  map x -> W(x) + n(x)
}
