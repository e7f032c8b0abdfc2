# error: [E0204] b
mint 1
layer A on Vec[D] ensures invertible {
  param b : bias
  param b : bias
  map x -> x + b
}
