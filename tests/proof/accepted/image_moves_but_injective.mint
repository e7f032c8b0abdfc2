# proves: A: lower, diag > 0, injective
# class: A: lower, diag in (0, 0.25]
mint 1
layer A on Vec[D] ensures lower, diag > 0, injective {
  param V : linear strict lower
  map x -> sigmoid(x) + V(x)
}
