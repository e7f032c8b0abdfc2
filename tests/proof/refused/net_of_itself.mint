# error: [E0308] N
mint 1
net N from Vec[D] to Vec[D] {
  param n : net N
  map x -> n(x)
}
layer A on Vec[D] ensures invertible {
  map x -> x
}
