# error: [E0405] tie diag(s) * diag(t) >= 0
mint 1
layer A on Vec[D] ensures invertible {
  param s : scale with diag != 0
  param t : scale with diag > 0
  tie diag(s) * diag(t) >= 0
  map x -> s * (t * x)
}
