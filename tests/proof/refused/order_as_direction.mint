# error: [E0211] tri
mint 1
layer A(tri: Order = raster) on Image[C, H, W] ensures diag != 0 {
  param k : conv 3x3 tri with diag != 0
  map x -> k(x)
}
