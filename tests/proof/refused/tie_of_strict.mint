# error: [E0405] A
mint 1
layer Example on Vec[D] ensures invertible {
  param A : linear strict lower
  param B : linear lower
  tie diag(A) * diag(B) >= 0
  map x -> x + A(B(x))
}
