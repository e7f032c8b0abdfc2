# error: [E0402] chain[k](B[k])(x)
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures lower, invertible {
  index k : 2
  param B[k] : net G
  map x -> 3 * x + chain[k](B[k])(x)
}
