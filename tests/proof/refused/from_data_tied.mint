# error: [E0710] s
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale init from_data
  param t : scale with diag != 0
  tie diag(s) * diag(t) >= 0
  map x -> t * x + s * x
}
