# error: [E0401] n(b)
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures diag != 0, invertible {
  param b : bias
  param n : net G
  map x -> x * n(b)
}
