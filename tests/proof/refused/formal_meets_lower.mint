# error: [E0402] L(x) + U(x)
mint 1
layer A(tri: Dir) on Vec[D] ensures invertible {
  param L : linear tri with diag > 0
  param U : linear lower with diag > 0
  map x -> L(x) + U(x)
}
