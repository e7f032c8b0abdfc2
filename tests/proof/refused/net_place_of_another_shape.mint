# error: [E0301] from Vec[D] to Vec[2]
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures invertible {
  param n : net G from Vec[D] to Vec[2]
  map x -> x
}
