# error: [E0306] conv lower
mint 1
layer A on Image[C, H, W] ensures invertible {
  param k : conv lower with diag > 0
  map x -> k(x)
}
