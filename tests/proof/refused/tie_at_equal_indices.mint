# sign(W[k, k]) is sign(A[k]) twice, that is +; so P has the sign of W alone and A's sign is not matched
# error: [*]
mint 1
layer L(K: Nat) on Vec[D] ensures lower, diag >= 0.5, invertible {
  index i, j, k : K
  param A[i], W[i, j], P[k] : linear lower
  param t : scale with diag >= 0.5
  tie diag(W[i, j]) * diag(A[i]) * diag(A[j]) >= 0
  tie diag(P[k]) * diag(W[k, k]) >= 0
  map x -> t * x + sum[k](A[k](elu(P[k](x))))
}
