# error: [E0403] A(down(B(x)))
mint 1
act down(u) = -elu(u)
layer Example on Vec[D] ensures lower, diag > 0 {
  param A, B : linear lower
  tie diag(A) * diag(B) >= 0
  map x -> x + A(down(B(x)))
}
