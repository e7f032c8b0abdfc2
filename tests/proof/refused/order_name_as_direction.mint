# error: [E0211] raster
mint 1
layer A on Image[C, H, W] ensures diag != 0 {
  param k : conv 3x3 raster with diag != 0
  map x -> k(x)
}
