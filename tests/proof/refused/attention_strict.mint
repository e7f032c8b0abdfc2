# error: [E0211] attention strict lower
mint 1
net N from Seq[T, D] to Seq[T, D] {
  param P : attention strict lower
  map x -> P(x)
}
layer A on Seq[T, D] ensures invertible {
  map x -> x
}
