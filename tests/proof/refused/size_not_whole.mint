# error: [E0303] A(K = K / 4)
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i : K
  param s[i] : scale with diag > 0
  map x -> sum[i](s[i] * x)
}
flow F(K: Nat = 45) on Vec[3] ensures invertible { A(K = K / 4) }
