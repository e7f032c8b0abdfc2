# error: [E0301] from Seq[T, D] to Seq[2, D]
mint 1
net N from Seq[T, D] to Seq[2, D] {
  param V : linear from Seq[T, D] to Seq[2, D]
  map x -> V(x)
}
layer A on Vec[D] ensures invertible {
  map x -> x
}
