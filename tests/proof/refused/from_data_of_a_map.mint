# error: [E0710] k
mint 1
layer A on Image[C, H, W] ensures invertible {
  param k : conv 3x3 lower with diag > 0 init from_data
  map x -> k(x)
}
