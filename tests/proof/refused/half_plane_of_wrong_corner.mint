# error: [E0402] U(W(x))
# kernels of opposite corners in one formula: their product has taps on both sides of the pixel, so it is no triangle
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  param W : conv 2x2 lower (anchor = corner) with diag != 0
  param U : conv 2x2 upper (anchor = corner) with diag != 0
  map x -> U(W(x))
}
