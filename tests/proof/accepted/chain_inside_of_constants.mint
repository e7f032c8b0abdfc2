# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
# a permutation and a dense map of what does not depend on x
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param P : perm
  param W : linear with det != 0
  param L : linear lower with diag > 0
  param b : bias
  map x -> L(x) + P(W(b))
}
