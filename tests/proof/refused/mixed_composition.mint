# error: [E0402] U(elu(L(x)))
mint 1
layer A on Image[C, H, W] ensures invertible {
  param t : scale with diag >= 1e-3
  param L : conv 3x3 lower with diag >= 0
  param U : conv 3x3 upper with diag >= 0
  map x -> t * x + U(elu(L(x)))
}
