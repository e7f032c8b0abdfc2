# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param t : scale with diag > 0
  map x -> t * x + sigmoid(x) - elu(-x)
}
