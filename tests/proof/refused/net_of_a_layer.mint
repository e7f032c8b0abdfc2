# error: [E0208] B
mint 1
layer B on Vec[D] ensures invertible {
  map x -> x
}
layer A on Vec[D] ensures invertible {
  param n : net B
  map x -> x + n(x)
}
