# error: [E0405] tie diag(a) * diag(b) >= 0
mint 1
layer A on S ensures diag > 0, invertible {
  param a : scale
  param b : scale (per = channel)
  tie diag(a) * diag(b) >= 0
  map x -> x + a * (b * x)
}
