# error: [E0305] A(K = 0)
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i : K
  param s[i] : scale with diag > 0
  map x -> sum[i](s[i] * x)
}
flow F on Vec[3] ensures invertible { A(K = 0) }
