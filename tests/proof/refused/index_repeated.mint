# error: [E0408] W[j, j]
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index j : K
  param W[j, j] : linear lower with diag > 0
  map x -> sum[j](W[j, j](x))
}
