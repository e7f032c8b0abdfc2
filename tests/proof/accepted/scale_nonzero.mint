# proves: A: diag != 0, invertible
# class: A: diagonal, diag in sign(s) * (0, inf)
mint 1
layer A on Vec[D] ensures diag != 0, invertible {
  param s : scale with diag != 0 via signed_exp
  map x -> s * x
}
