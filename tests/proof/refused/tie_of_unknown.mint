# error: [E0201] V
mint 1
layer Example on Vec[D] ensures invertible {
  param A, B : linear lower
  tie diag(A) * diag(V) >= 0
  map x -> x + A(B(x))
}
