# error: [E0301] x
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[2 * D] to Vec[D]
  map x -> x + V(x)
}
