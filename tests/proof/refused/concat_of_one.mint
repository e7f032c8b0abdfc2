# error: [E0210] concat(b)
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias
  map x -> x + concat(b)
}
