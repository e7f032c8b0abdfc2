# error: [E0206] diagonal
mint 1
layer A(diagonal: Dir) on Vec[D] ensures upper, diag > 0, invertible {
  param L : linear diagonal with diag > 0
  param U : linear upper with diag > 0
  map x -> L(x) + U(x)
}
