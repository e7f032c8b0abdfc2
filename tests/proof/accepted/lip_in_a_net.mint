# proves: A: invertible, lip < 1.51
# class: A: dense, bijection by composition
mint 1
net N from Vec[D] to Vec[D] {
  param V : linear with lip <= 0.5
  map x -> V(x)
}
layer A on Vec[D] ensures invertible, lip < 1.51 {
  param n : net N
  map x -> x + n(x)
}
