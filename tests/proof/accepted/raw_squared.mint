# The square of a stored number is positive, whatever its sign: the assumption is still needed.
# proves: A: diag > 0, invertible
# proves: F: invertible
# class: A: diagonal, diag in (0, inf)
# class: F: bijection of R^D
# assumes: A: diag(s) != 0 of A
# assumes: F: diag(s) != 0 of A
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag != 0 via raw
  map x -> s * (s * x)
}
flow F on Vec[3] ensures invertible { repeat 2 { A  A } }
