# error: [E0209] conv 3x3 lower (boundary = circular)
# a pixel at the end of a row is read by the first one of it: no mask of taps makes that triangular
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  param W : conv 3x3 lower (boundary = circular) with diag > 0
  map x -> W(x)
}
