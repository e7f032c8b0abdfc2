# proves: A: invertible
# proves: F: invertible
# class: A: diagonal, diag in (0, inf)
# class: F: bijection of R^D
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag > 0
  map x -> s * x
}
flow F on Vec[4] ensures invertible {
  A_0: A
  A
}
