# error: [E0402] n(x)
mint 1
order backwards = (-t)
net Step(way: Dir) from Seq[T, D] to Seq[T, D] {
  param P : attention way
  param n : layer_norm
  map x -> x + P(n(x))
}
net N from Seq[T, D] to Seq[T, D] {
  param S : net Step(way = lower)
  param V : linear
  map x -> V(delay(S(x)))
}
layer A on Seq[T, D] ensures lower, diag > 0, invertible {
  order backwards
  param n : net N
  map x -> x * exp(n(x)) + n(x)
}
