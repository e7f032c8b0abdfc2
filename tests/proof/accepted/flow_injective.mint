# proves: A: diag > 0, injective
# class: A: diagonal, diag in (0, 0.25]
# proves: B: lower, invertible
# class: B: lower, diag in (0, inf)
# proves: F: injective
# class: F: injective only: every element's image is (0, 1), not all of R
mint 1
layer A on Vec[D] ensures diag > 0, injective { map x -> sigmoid(x) }
layer B on Vec[D] ensures lower, invertible {
  param V : linear lower with diag > 0
  map x -> V(x)
}
flow F on Vec[5] ensures injective { B  A  B  prior normal }
