# error: [E0402] n(x)
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures lower, invertible {
  param n : net G
  map x -> 3 * x + n(x)
}
