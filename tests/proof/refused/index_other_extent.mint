# error: [E0301] W[m]
mint 1
layer A(K: Nat, M: Nat) on Vec[D] ensures invertible {
  index j : K
  index m : M
  param W[j] : linear lower with diag > 0
  map x -> sum[m](W[m](x))
}
