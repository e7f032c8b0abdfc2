# error: [E0404] sum[i](s[i] * x)
mint 1
layer A(K: Nat) on Vec[D] ensures diag != 0 {
  index i : K
  param s[i] : scale with diag != 0
  map x -> sum[i](s[i] * x)
}
