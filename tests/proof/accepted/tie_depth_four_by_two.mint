# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in [1, inf)
mint 1
layer A(K: Nat) on Vec[D] ensures lower, diag > 0, invertible {
  index i, j, k : K
  param W1[j]    : linear lower
  param W2[k, j] : linear lower
  param W3[i, k] : linear lower
  param W4[i]    : linear lower
  tie diag(W4[i]) * diag(W3[i, k]) >= 0
  tie diag(W2[k, j]) * diag(W1[j]) >= 0
  map x -> x + sum[i](W4[i](elu(sum[k](W3[i, k](elu(sum[j](W2[k, j](elu(W1[j](x))))))))))
}
