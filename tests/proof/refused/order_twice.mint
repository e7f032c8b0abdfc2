# error: [E0204] order corner
mint 1
layer A on Image[C, H, W] ensures lower {
  order raster
  order corner
  map x -> x
}
