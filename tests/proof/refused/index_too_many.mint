# error: [E0408] W[j]
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index j : K
  param W : linear lower with diag > 0
  map x -> sum[j](W[j](x))
}
