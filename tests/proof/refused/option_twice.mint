# error: [E0204] per = element
mint 1
layer A on Image[C, H, W] ensures invertible {
  param s : scale (per = channel, per = element) with diag > 0
  map x -> s * x
}
