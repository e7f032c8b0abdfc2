# error: [E0701] diag > 0
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures invertible {
  param n : net G with diag > 0
  map x -> x + n(x)
}
