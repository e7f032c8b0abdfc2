mint 1
layer A on Image[C, H, W] ensures injective {
  param s : scale with diag != 0
  param k : conv 1x1 lower
  map x -> x + k(s * x)
}
