# A reads to the left and B reads below: in the order (w - h) both read earlier pixels
# proves: Found: diag > 0, invertible
# class: Found: lower, diag in (0, inf)
mint 1
order pixels = (h, w)
layer Found on Image[C, H, W] ensures diag > 0, invertible {
  order pixels
  param A : conv 1x3 lower with diag >= 0
  param B : conv 3x1 upper with diag >= 0
  param t : scale with diag > 0
  map x -> t * x + A(elu(B(x)))
}
