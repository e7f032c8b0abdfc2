# error: [E0404] s * x
# A number that is stored as it is may have either sign.
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag != 0 via raw
  map x -> s * x
}
