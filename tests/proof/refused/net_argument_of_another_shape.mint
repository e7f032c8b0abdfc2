# error: [E0301] b
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures invertible {
  param b : bias on Vec[2]
  param n : net G
  map x -> x + n(b)
}
