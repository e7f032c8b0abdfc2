# error: [E0306] conv 2x2 lower
mint 1
layer A on Image[C, H, W] ensures invertible {
  param k : conv 2x2 lower with diag > 0
  map x -> k(x)
}
