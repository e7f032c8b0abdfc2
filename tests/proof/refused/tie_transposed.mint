# error: [E0405] tie diag(W[i, j]) * diag(W[j, i]) >= 0
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i, j : K
  param W[i, j] : linear lower
  tie diag(W[i, j]) * diag(W[j, i]) >= 0
  map x -> x + sum[i, j](W[i, j](W[i, j](x)))
}
