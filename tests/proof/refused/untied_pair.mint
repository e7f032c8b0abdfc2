# error: [E0404] A(elu(B(x)))
mint 1
layer Example on Vec[D] ensures lower, diag > 0 {
  param t : scale with diag > 0
  param A, B : linear lower
  map x -> t * x + A(elu(B(x)))
}
