# error: [E0404] sum[i](s[i] * (t * x))
mint 1
layer A(K: Nat) on Vec[D] ensures invertible {
  index i : K
  param s[i] : scale with diag != 0
  param t    : scale with diag > 0
  map x -> t * x + sum[i](s[i] * (t * x))
}
