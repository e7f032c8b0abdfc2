# error: [E0201] raw
# Only `diag != 0` can be assumed of a stored number.
mint 1
layer A on Vec[D] ensures diag > 0, invertible {
  param s : scale with diag > 0 via raw
  map x -> s * x
}
