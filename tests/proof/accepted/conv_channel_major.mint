# proves: A: lower, diag != 0, invertible
# class: A: lower, diag in sign(k) * (0, inf)
mint 1
layer A on Image[C, H, W] ensures lower, diag != 0, invertible {
  order channel_major
  param L : conv 1x1 lower with diag == 1
  param k : conv 3x3 lower with diag != 0
  map x -> L(k(x))
}
