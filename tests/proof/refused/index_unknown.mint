# error: [E0201] k
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index j : K
  param W[j] : linear lower with diag > 0
  map x -> sum[k](W[k](x))
}
