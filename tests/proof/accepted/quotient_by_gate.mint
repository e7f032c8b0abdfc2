# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, 1)
mint 1
layer A on Vec[D] ensures lower, diag > 0, invertible {
  param V : linear strict lower
  map x -> x / (1 + exp(V(x)))
}
