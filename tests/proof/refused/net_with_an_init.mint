# error: [E0211] zeros
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures invertible {
  param n : net G init zeros
  map x -> x + n(x)
}
