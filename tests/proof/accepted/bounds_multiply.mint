# proves: A: diag >= 0.99, invertible
# class: A: diagonal, diag in [1, inf)
mint 1
layer A on Vec[D] ensures diag >= 0.99, invertible {
  param s : scale with diag >= 2, diag <= 3
  param t : scale with diag >= 0.5
  map x -> s * (t * x)
}
