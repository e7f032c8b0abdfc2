# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param V : linear lower with diag > 0
  param b : bias
  map x -> V(x) + b
}
