# proves: A: diag > 0, invertible
# class: A: diagonal, diag in (0, inf)
# proves: F: invertible
# class: F: bijection of R^D
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0
  map x -> s * x
}
flow F on Vec[4] ensures invertible { A  prior logistic }
