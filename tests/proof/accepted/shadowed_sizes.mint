# proves: A: lower, invertible
# class: A: lower, diag in (0, inf)
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  param W : conv 3x3 lower with diag > 0
  map x -> W(x)
}
