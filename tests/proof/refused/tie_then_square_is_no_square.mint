# error: [E0404] V(elu(A(elu(B(x)))))
mint 1
layer Example on Vec[D] ensures invertible {
  param A, B, V : linear lower
  tie diag(A) * diag(B) >= 0
  map x -> x + V(elu(A(elu(B(x)))))
}
