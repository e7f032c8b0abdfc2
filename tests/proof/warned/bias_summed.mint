# warning: [W0402] b[i]
mint 1
layer A(K: Nat) on Vec[D] ensures diag > 0, invertible {
  index i : K
  param V[i] : linear strict lower
  param b[i] : bias
  map x -> x + sum[i](V[i](x) + b[i])
}
