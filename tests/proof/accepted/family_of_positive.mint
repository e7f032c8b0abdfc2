# proves: A: lower, diag >= 0.5, invertible
# class: A: lower, diag in [0.5, inf)
mint 1
layer A(K: Nat) on Vec[D] ensures lower, diag >= 0.5, invertible {
  index i : K
  param V[i] : linear lower with diag >= 0.5
  map x -> sum[i](V[i](x))
}
