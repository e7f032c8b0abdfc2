mint 1
layer A on Image[C, H, W] {
  param k : conv 2x3 lower (anchor = centre) with diag > 0
  map x -> k(x)
}
