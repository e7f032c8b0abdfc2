# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A(K: Nat, M: Nat = 3) on Vec[D] ensures lower, diag > 0, invertible {
  index i : K
  index m : M
  param t       : scale with diag > 0
  param V[i, m] : linear lower with diag >= 0
  map x -> t * x + sum[i, m](V[i, m](softplus(x)))
}
