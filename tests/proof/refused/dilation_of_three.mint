# error: [E0209] (1, 2, 3)
mint 1
layer A on Image[C, H, W] ensures invertible {
  param W : conv 3x3 lower (dilation = (1, 2, 3)) with diag > 0
  map x -> W(x)
}
