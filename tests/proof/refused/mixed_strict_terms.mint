# error: [E0402] x + L(x) + U(x)
mint 1
layer A on Vec[D] ensures invertible {
  param L : linear strict lower
  param U : linear strict upper
  map x -> x + L(x) + U(x)
}
