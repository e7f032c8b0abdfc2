# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
net Step(way: Dir) from Seq[T, D] to Seq[T, D] {
  param P : attention way
  param n : layer_norm
  map x -> x + P(n(x))
}
net N from Seq[T, D] to Seq[T, D] {
  param S : net Step(way = lower)
  param V : linear
  map x -> V(S(delay(x))) + delay(x)
}
layer A on Seq[T, D] ensures lower, diag > 0, invertible {
  param n : net N
  map x -> x * exp(n(x)) + n(x)
}
