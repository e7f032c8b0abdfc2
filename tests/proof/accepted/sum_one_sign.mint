# proves: A: diag != 0, invertible
# class: A: diagonal, diag in sign(s) * (0, inf)
mint 1
layer A(K: Nat) on Vec[D] ensures diag != 0, invertible {
  index i : K
  param s    : scale with diag != 0
  param t[i] : scale with diag > 0
  map x -> sum[i](t[i] * (s * x))
}
