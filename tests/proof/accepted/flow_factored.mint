# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
# proves: F: invertible, inverse iterative
# class: F: bijection of R^D
mint 1
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
flow F on Image[1, 8, 4] ensures invertible, inverse iterative {
  squeeze 2
  A
  factor half (keep = second)
  squeeze 2
  repeat 2 { A }
  factor half
  A
  prior normal
}
