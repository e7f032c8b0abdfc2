# error: [E0405] tie diag(V[i]) * diag(V[j]) >= 0
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i, j : K
  param V[i] : linear lower
  tie diag(V[i]) * diag(V[j]) >= 0
  map x -> x + sum[i](V[i](tanh(V[i](x))))
}
