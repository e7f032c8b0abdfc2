# error: [E0405] n
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures invertible {
  param t : scale
  param n : net G
  tie diag(n) * diag(t) >= 0
  map x -> t * x
}
