# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A(K: Nat) on Vec[D] ensures diag > 0, invertible {
  index i : K
  param s[i] : scale with diag > 0
  map x -> sum[i](s[i] * x)
}
flow F(K: Nat = 48) on Vec[3] ensures invertible { A(K = K)  A(K = K / 4)  A(K = K / 16) }
