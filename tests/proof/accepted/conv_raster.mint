# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param k : conv 3x3 lower with diag > 0
  map x -> k(x)
}
