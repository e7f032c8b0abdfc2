# error: [E0301] tie diag(A) * diag(B) >= 0
mint 1
layer Example on Vec[D] ensures invertible {
  param A : linear lower
  param B : linear lower on Vec[2 * D]
  tie diag(A) * diag(B) >= 0
  map x -> x + A(x)
}
