# error: [E0306] conv 0x3 lower (anchor = corner)
mint 1
layer A on Image[C, H, W] ensures invertible {
  param k : conv 0x3 lower (anchor = corner) with diag > 0
  map x -> k(x)
}
