# error: [E0405] tie diag(A) * diag(B) >= 1
mint 1
layer Example on Vec[D] ensures invertible {
  param A, B : linear lower
  tie diag(A) * diag(B) >= 1
  map x -> x + A(B(x))
}
