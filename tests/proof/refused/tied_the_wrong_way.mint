# error: [E0403] A(elu(B(x)))
mint 1
layer Example on Vec[D] ensures lower, diag > 0 {
  param A, B : linear lower
  tie diag(A) * diag(B) <= 0
  map x -> x + A(elu(B(x)))
}
