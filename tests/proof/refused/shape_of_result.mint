# error: [E0301] V(x)
mint 1
layer A on Vec[D] ensures invertible {
  param V : linear from Vec[D] to Vec[2 * D]
  map x -> V(x)
}
