# error: [E0405] tie diag(V) * diag(A) >= 0
mint 1
layer Example on Vec[D] ensures invertible {
  param A, B, V : linear lower
  tie diag(A) * diag(B) >= 0
  tie diag(B) * diag(V) >= 0
  tie diag(V) * diag(A) >= 0
  map x -> x + A(B(V(x)))
}
