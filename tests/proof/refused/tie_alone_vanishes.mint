# error: [E0401] A(elu(B(x)))
mint 1
layer Example on Vec[D] ensures invertible {
  param A, B : linear lower
  tie diag(A) * diag(B) >= 0
  map x -> A(elu(B(x)))
}
