# proves: A: lower, diag != 0, invertible
# class: A: lower, diag in sign(k) * (0, inf)
mint 1
order cinc = (h + w, -c)
layer A on Image[C, H, W] ensures lower, diag != 0, invertible {
  order cinc
  param k : conv 3x3 lower (anchor = bottom_right) with diag != 0 init near_identity(std = 0.02)
  param b : bias
  map x -> k(x) + b
}
