# error: [E0306] conv 3x3 (anchor = corner)
mint 1
layer A on Image[C, H, W] ensures invertible {
  param k : conv 3x3 (anchor = corner)
  map x -> x + k(x)
}
