# error: [E0404] sum[i](W3[i](elu(sum[j](W2[i, j](elu(W1[j](x)))))))
mint 1
layer A(K: Nat) on Vec[D] ensures lower, diag > 0 {
  index i, j : K
  param W1[j]    : linear lower
  param W2[i, j] : linear lower
  param W3[i]    : linear lower
  tie diag(W2[i, j]) * diag(W1[j]) >= 0
  map x -> x + sum[i](W3[i](elu(sum[j](W2[i, j](elu(W1[j](x)))))))
}
