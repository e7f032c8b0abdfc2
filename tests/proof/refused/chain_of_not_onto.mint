# error: [E0402] U(L(tanh(x)))
# tanh(x) fills (-1, 1)^D only
mint 1
layer A on Vec[D] ensures invertible {
  param L : linear lower with diag > 0
  param U : linear upper with diag > 0
  map x -> U(L(tanh(x)))
}
