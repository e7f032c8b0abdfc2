# in raster order A also reads earlier and B later channels of the same pixel: no order fits both
# error: [E0402] A(elu(B(x)))
mint 1
layer Stuck on Image[C, H, W] ensures diag > 0 {
  param A : conv 1x3 lower with diag >= 0
  param B : conv 3x1 upper with diag >= 0
  param t : scale with diag > 0
  map x -> t * x + A(elu(B(x)))
}
