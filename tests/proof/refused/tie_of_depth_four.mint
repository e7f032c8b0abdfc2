# error: [E0405] tie diag(W4[i]) * diag(W3[i, k]) * diag(W2[k, j]) * diag(W1[j]) >= 0
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i, j, k : K
  param W1[j]    : linear lower
  param W2[k, j] : linear lower
  param W3[i, k] : linear lower
  param W4[i]    : linear lower
  tie diag(W4[i]) * diag(W3[i, k]) * diag(W2[k, j]) * diag(W1[j]) >= 0
  map x -> x + sum[i](W4[i](sum[k](W3[i, k](sum[j](W2[k, j](W1[j](x)))))))
}
