# error: [E0306] conv 3x3 lower (dilation = 0)
# all taps would meet one pixel
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 lower (dilation = 0) with diag > 0
  map x -> W(x)
}
