# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param S, V : linear strict lower
  map x -> x * exp(S(x)) + V(x)
}
