# error: [E0414] Mix(Box(x))
# the values of Box are not all of R
mint 1
layer A on Vec[D] ensures invertible {
  map x -> Mix(Box(x))
}
layer Box on Vec[D] ensures injective {
  map x -> sigmoid(x)
}
layer Mix on Vec[D] ensures invertible {
  param L : linear lower with diag == 1
  param U : linear upper with diag > 0
  map x -> L(U(x))
}
