# error: [E0405] diag(A) + diag(B)
mint 1
layer Example on Vec[D] ensures invertible {
  param A, B : linear lower
  tie diag(A) + diag(B) >= 0
  map x -> x + A(B(x))
}
