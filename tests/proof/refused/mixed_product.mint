# error: [E0402] L(x) * exp(U(x))
mint 1
layer A on Vec[D] ensures invertible {
  param L : linear lower with diag > 0
  param U : linear strict upper
  map x -> L(x) * exp(U(x))
}
