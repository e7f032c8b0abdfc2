# error: [E0213] chain[k](B[k])
mint 1
net G from Vec[D] to Vec[D] {
  param V : linear
  map x -> tanh(V(x))
}
layer A on Vec[D] ensures invertible {
  index k : 2
  param B[k] : net G
  map x -> x + chain[k](B[k])
}
