# error: [E0402] U(L(x))
# taps (0, 2) and (0, -2) apart: a lower and an upper kernel have no common order, whatever the dilation
mint 1
layer A on Image[C, H, W] ensures invertible, lower {
  param L : conv 1x3 lower (dilation = 2) with diag > 0
  param U : conv 1x3 upper (dilation = 4) with diag > 0
  map x -> U(L(x))
}
