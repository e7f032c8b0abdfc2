# error: [E0209] row
mint 1
layer A on Image[C, H, W] ensures invertible {
  param s : scale (per = row) with diag > 0
  map x -> s * x
}
