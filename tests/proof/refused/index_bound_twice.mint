# error: [E0408] j
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index j : K
  param W[j] : linear lower with diag > 0
  map x -> sum[j](sum[j](W[j](x)))
}
