# error: [E0402] L(U(x))
mint 1
layer A(a: Dir, b: Dir) on Vec[D] ensures a, invertible {
  param L : linear a with diag > 0
  param U : linear b with diag > 0
  map x -> L(U(x))
}
