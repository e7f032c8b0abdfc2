# error: [E0304] chain[k](B[k])
mint 1
net N from Vec[D] to Vec[M] {
  param V : linear from Vec[D] to Vec[M]
  map x -> V(x)
}
layer A on Vec[D] ensures invertible {
  index k : 2
  param b : bias
  param B[k] : net N from Vec[D] to Vec[3]
  map x -> x + chain[k](B[k])(b)
}
