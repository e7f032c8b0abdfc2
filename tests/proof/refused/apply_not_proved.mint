# error: [E0401] b
mint 1
layer A on Vec[D] ensures invertible {
  map x -> 2 * Any(x)
}
layer Any on Vec[D] {
  param b : bias
  map x -> x * b
}
