# error: [E0304] attention lower
mint 1
layer A on Seq[T, D] ensures invertible {
  param P : attention lower
  map x -> x + P(x)
}
