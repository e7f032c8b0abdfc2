# proves: A: lower, diag > 0, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Image[C, H, W] ensures lower, diag > 0, invertible {
  param k : conv 3x3 lower (dilation = 2) with diag > 0
  param l : conv 2x2 lower (anchor = corner, dilation = (1, 3)) with diag > 0
  map x -> k(l(x))
}
