# proves: A: diag != 0, invertible
# class: A: diagonal, diag in sign(s) * (0, inf)
# assumes: A: diag(s) != 0 of A
mint 1
layer A on Vec[D] ensures diag != 0, invertible {
  param s : scale with diag != 0 via raw
  map x -> s * x
}
