# error: [E0404] r * x
# Two stored numbers may cancel.
mint 1
layer A on Vec[D] ensures diag != 0, invertible {
  param s, r : scale with diag != 0 via raw
  map x -> s * x + r * x
}
