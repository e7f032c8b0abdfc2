# proves: A: lower, diag > 0, injective
# class: A: diagonal, diag in (0, 2)
mint 1
layer A on Vec[D] ensures lower, diag > 0, injective {
  map x -> elu(x) - softplus(-x)
}
