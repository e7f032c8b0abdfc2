# error: [E0409] Tri(x)
# lower in channel_major, which the raster order does not refine
mint 1
layer A on Image[C, H, W] ensures lower, invertible {
  map x -> Tri(x)
}
layer Tri on Image[C, H, W] ensures lower, diag > 0, invertible {
  order channel_major
  param W : conv 3x3 lower with diag > 0
  map x -> W(x) + tanh(x)
}
