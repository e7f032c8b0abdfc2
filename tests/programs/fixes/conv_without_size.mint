mint 1
layer A on Image[C, H, W] {
  param k : conv lower with diag > 0
  map x -> k(x)
}
