# error: [E0405] tie diag(s) * diag(k) >= 0
mint 1
layer A on Image[C, H, W] ensures invertible {
  param s : scale with diag != 0
  param k : conv 3x3 lower
  tie diag(s) * diag(k) >= 0
  map x -> x + s * k(x)
}
