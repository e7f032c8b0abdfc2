# error: [E0414] Mix(tanh(x))
mint 1
layer A on Vec[D] ensures invertible {
  map x -> Mix(tanh(x))
}
layer Mix on Vec[D] ensures invertible {
  param L : linear lower with diag == 1
  param U : linear upper with diag > 0
  map x -> L(U(x))
}
